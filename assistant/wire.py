"""What both sockets share: the frame base, reading and writing frames, identifiers, conversation events, limits, close codes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from assistant.errors import BadFrame

MAX_FRAME_BYTES: Final = 16 * 1024
MAX_BODY: Final = 4000  # code points
MAX_GAP: Final = 500  # events; a wider gap is answered with reset
MAX_SEQ: Final = 2**53 - 1

Ulid = Annotated[str, StringConstraints(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Uuid = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")
]
Seq = Annotated[int, Field(ge=0, le=MAX_SEQ)]
# Longer bodies pass the model, so that the session can answer `too_long` rather than `bad_frame`.
Body = Annotated[str, StringConstraints(max_length=MAX_FRAME_BYTES)]
SenderKind = Literal["contact", "bot", "agent", "system"]

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
F = TypeVar("F")


class Frame(BaseModel):
    """Base of all frames: strict, extra fields forbidden, immutable."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class Ev(Frame):
    """A durable event. Apply only seq = last + 1. Kinds and their data stand in docs/http.md."""

    t: Literal["ev"] = "ev"
    seq: Seq
    id: Ulid
    sender: Annotated[SenderKind, Field(alias="from", serialization_alias="from")]
    kind: str
    cmid: str | None = None
    reply_to: Seq | None = None
    name: str | None = None  # display name of an agent
    body: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    at: int  # UTC milliseconds, for display


class Close:
    """Close codes of both sockets."""

    DONE: Final = 1000
    BINARY: Final = 1003
    BAD_UTF8: Final = 1007
    TOO_BIG: Final = 1009
    BUG: Final = 1011
    DEPLOY: Final = 1012
    OVERLOAD: Final = 1013
    BAD_FRAMES: Final = 4400
    TOKEN: Final = 4401
    NOT_YOURS: Final = 4403
    TIMEOUT: Final = 4408
    REPLACED: Final = 4409
    ERASED: Final = 4410
    RATE: Final = 4429
    SLOW: Final = 4508


def decode(raw: str | bytes, adapter: TypeAdapter[F], *, max_bytes: int = MAX_FRAME_BYTES) -> F:
    """One frame from the wire, checked: size, UTF-8, depth, numbers, then the strict model of `adapter`.

    Of a repeated key the last one counts. Raises BadFrame, whose `reason` is `bad_frame`, `unknown_type` (no such `t`),
    `bad_text` (U+0000 in a text) or `too_big` (more than `max_bytes`: close 1009), and whose `cmid` is the frame's, if it had a
    proper one, so that a nack can name it. The message names the field and the rule, never the value.
    """
    try:
        data = raw if isinstance(raw, bytes) else raw.encode()
        if len(data) > max_bytes:
            raise BadFrame("the frame is too big", code="too_big")
        value = orjson.loads(data)  # refuses NaN, infinities, lone surrogates, a BOM, and nesting deeper than 1,024
    except ValueError:  # JSONDecodeError and UnicodeEncodeError are ValueErrors
        raise BadFrame("not a JSON object in UTF-8") from None
    cmid = _cmid(value)
    # Raw control characters are no JSON, so U+0000 can only come escaped, and an escaped backslash may precede "u0000".
    if b"\\u0000" in data and _has_nul(value):
        raise BadFrame("U+0000 in a text", code="bad_text", cmid=cmid)
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        if first["type"] == "union_tag_invalid" and isinstance(value.get("t"), str):
            raise BadFrame("no such type of frame", code="unknown_type", cmid=cmid) from None
        where = ".".join(str(part)[:40] for part in first["loc"]) or "frame"
        raise BadFrame(f"{where}: {first['type']}", cmid=cmid) from None


def encode(frame: BaseModel) -> str:
    """A frame as it goes out: aliases as names, absent rather than null at the top level of a model."""
    return frame.model_dump_json(by_alias=True, exclude_none=True)


def _cmid(value: object) -> str | None:
    cmid = value.get("cmid") if isinstance(value, dict) else None
    return cmid if isinstance(cmid, str) and _UUID.fullmatch(cmid) else None


def _has_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(key) or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_nul(item) for item in value)
