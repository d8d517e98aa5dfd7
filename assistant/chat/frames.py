"""The frames of `staywell.chat.v1`: one JSON object a text frame, strict, extra fields forbidden.

The JSON Schema of these models generates the TypeScript types; golden frames in `tests/fixtures/frames/` are replayed by both.
Contact frames are spoken on /ws/chat, desk frames (see `assistant/escalation/frames.py`) on /ws/desk.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from assistant.wire import MAX_BODY, MAX_FRAME_BYTES, Body, Ev, Frame, Seq, Ulid, Uuid

PROTOCOL: Final = "staywell.chat.v1"
PING_SECONDS: Final = 25


# --- client → server ------------------------------------------------------------------------------------------------


class Hello(Frame):
    """First frame, within 5 s. `conv` absent: resume the open conversation, or be promised a new one."""

    t: Literal["hello"]
    v: Literal["staywell.chat.v1"]
    token: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    conv: Ulid | None = None
    epoch: Ulid | None = None
    after: Seq = 0


class Msg(Frame):
    """A message; durable. `cmid` is the sender's UUID and makes it idempotent."""

    t: Literal["msg"]
    cmid: Uuid
    body: Body


class Escalate(Frame):
    """The contact asks for a person; durable. `reason` is a code such as `asked_for_human`; prose is a message's business."""

    t: Literal["escalate"]
    cmid: Uuid
    reason: Annotated[str, StringConstraints(max_length=200)] = ""


class Seen(Frame):
    """The contact has seen everything up to `seq`; lossy."""

    t: Literal["seen"]
    seq: Seq


class Typing(Frame):
    """Typing on or off; lossy."""

    t: Literal["typing"]
    on: bool


class Ping(Frame):
    """Heartbeat, every 25 s ± 20 %."""

    t: Literal["ping"]
    n: Seq


class Auth(Frame):
    """Renews the token of a live connection."""

    t: Literal["auth"]
    token: Annotated[str, StringConstraints(min_length=1, max_length=512)]


ClientFrame = Annotated[Hello | Msg | Escalate | Seen | Typing | Ping | Auth, Field(discriminator="t")]


# --- server → client ------------------------------------------------------------------------------------------------


class Limits(Frame):
    """What the server will take."""

    frame_bytes: int = MAX_FRAME_BYTES
    body: int = MAX_BODY
    ping_seconds: int = PING_SECONDS


class Ready(Frame):
    """Answer to hello. `mode` says who may speak; events after the client's cursor follow."""

    t: Literal["ready"] = "ready"
    conv: Ulid
    epoch: Ulid
    head: Seq
    resumed: bool
    mode: Literal["bot", "waiting", "agent", "resolved"]
    limits: Limits = Limits()


class Ack(Frame):
    """Stored durably, sent after the commit only."""

    t: Literal["ack"] = "ack"
    cmid: str
    seq: Seq
    dup: bool = False


NackCode = Literal[
    "bad_frame",
    "bad_text",
    "unknown_type",
    "empty",
    "too_long",
    "cmid_conflict",
    "rate",
    "storage",
    "overload",
    "closed",
]


class Nack(Frame):
    """Nothing was stored. `retry`: the same frame may succeed later."""

    t: Literal["nack"] = "nack"
    cmid: str | None = None
    code: NackCode
    retry: bool = False
    after_ms: int | None = None


class Part(Frame):
    """A piece of a reply being written; lossy, replaced by its ev."""

    t: Literal["part"] = "part"
    reply_to: Seq
    n: Seq
    body: str


class Reset(Frame):
    """The client's cursor cannot be served: drop the view, load history over HTTP, then follow from `head`."""

    t: Literal["reset"] = "reset"
    conv: Ulid
    epoch: Ulid
    head: Seq


class TypingOut(Frame):
    """Somebody types; `name` is an agent's."""

    t: Literal["typing"] = "typing"
    sender: Annotated[Literal["bot", "agent"], Field(alias="from", serialization_alias="from")]
    on: bool
    name: str | None = None


class SeenOut(Frame):
    """The other side has seen everything up to `seq`."""

    t: Literal["seen"] = "seen"
    seq: Seq


class Pong(Frame):
    """Answer to ping."""

    t: Literal["pong"] = "pong"
    n: Seq


class Drain(Frame):
    """The server is going away: reconnect after `after_ms` (jittered)."""

    t: Literal["drain"] = "drain"
    after_ms: int = 1000


ServerFrame = Annotated[
    Ready | Ev | Ack | Nack | Part | Reset | TypingOut | SeenOut | Pong | Drain, Field(discriminator="t")
]
