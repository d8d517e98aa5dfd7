"""What both sockets share: the frame base, identifiers on the wire, conversation events, limits and close codes."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

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
