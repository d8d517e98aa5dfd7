"""Desk frames: what the agent's console speaks on /ws/desk. Same rules as `staywell.chat.v1`.

One socket serves many conversations, so every frame about one carries `conv`. Snapshots (`desk`) are whole, never partial:
a console that missed something is right again with the next one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from assistant.wire import Body, Ev, Frame, Seq, Ulid, Uuid

Presence = Literal["available", "away", "offline"]


# --- console → server -----------------------------------------------------------------------------------------------


class DeskHello(Frame):
    """First frame, within 5 s, with a one-time ticket from POST /api/desk/ticket."""

    t: Literal["hello"]
    v: Literal["staywell.desk.v1"]
    ticket: Annotated[str, StringConstraints(min_length=1, max_length=512)]


class SetPresence(Frame):
    """The agent becomes available, away or offline."""

    t: Literal["presence"]
    state: Presence


class Watch(Frame):
    """Follow a conversation: events after `after`, then live ones, scores and notes. `silent`: supervisors may look unseen."""

    t: Literal["watch"]
    conv: Ulid
    after: Seq = 0
    silent: bool = False


class Unwatch(Frame):
    """Stop following."""

    t: Literal["unwatch"]
    conv: Ulid


class Accept(Frame):
    """Take an offered task (`offer`) or claim a queued one. Answer: done or refused."""

    t: Literal["accept"]
    task: Ulid
    offer: Ulid | None = None


class Decline(Frame):
    """Give an offered task back to the front of the queue."""

    t: Literal["decline"]
    task: Ulid
    offer: Ulid


class Suggestion(Frame):
    """Which suggestion a message came from, and whether it was edited."""

    id: Annotated[str, StringConstraints(max_length=100)]
    edited: bool


class AgentMsg(Frame):
    """A message to the contact; only the holder may send. `assign_epoch` fences a stale console."""

    t: Literal["msg"]
    conv: Ulid
    cmid: Uuid
    body: Body
    assign_epoch: Seq
    suggestion: Suggestion | None = None


class AgentNote(Frame):
    """A private note. The colleagues in `mentions` are told of it."""

    t: Literal["note"]
    conv: Ulid
    cmid: Uuid
    body: Body
    mentions: Annotated[list[Ulid], Field(max_length=20)] = Field(default_factory=list)


class MentionsRead(Frame):
    """The agent has seen the notes of a conversation: mentions there are read. The next `desk` tells."""

    t: Literal["mentions_read"]
    conv: Ulid


class Transfer(Frame):
    """Pass it on: to the colleague `to`, who is asked first, or to whoever is free. `note` becomes a private note."""

    t: Literal["transfer"]
    conv: Ulid
    cmid: Uuid
    assign_epoch: Seq
    to: Ulid | None = None
    note: Annotated[str, StringConstraints(max_length=2000)] = ""


class Snooze(Frame):
    """Set it aside until `until` (UTC ms), or until the contact writes."""

    t: Literal["snooze"]
    conv: Ulid
    assign_epoch: Seq
    until: Seq


class CallbackReport(Frame):
    """A call-back is taken, or was made: the contact was reached, or was not. Answer: done or refused (`gone`, `taken`)."""

    t: Literal["callback"]
    id: Ulid
    result: Literal["take", "done", "not_reached"]


class ReturnToBot(Frame):
    """Hand the conversation back to the assistant."""

    t: Literal["return"]
    conv: Ulid
    assign_epoch: Seq


class TakeOver(Frame):
    """Step in unasked: escalates and assigns to this agent in one step."""

    t: Literal["takeover"]
    conv: Ulid


class Resolve(Frame):
    """End the conversation with a coded result."""

    t: Literal["resolve"]
    conv: Ulid
    assign_epoch: Seq
    disposition: Literal["saved", "solved", "refunded", "lost", "follow_up", "spam"]
    comment: Annotated[str, StringConstraints(max_length=2000)] = ""


class DeskTyping(Frame):
    """The agent types; lossy."""

    t: Literal["typing"]
    conv: Ulid
    on: bool


class DeskSeen(Frame):
    """The agent has read up to `seq`; lossy."""

    t: Literal["seen"]
    conv: Ulid
    seq: Seq


class DeskPing(Frame):
    """Heartbeat, every 10 s: renews the agent's lease of 30 s."""

    t: Literal["ping"]
    n: Seq


DeskClientFrame = Annotated[
    DeskHello
    | SetPresence
    | Watch
    | Unwatch
    | Accept
    | Decline
    | AgentMsg
    | AgentNote
    | MentionsRead
    | Transfer
    | Snooze
    | CallbackReport
    | ReturnToBot
    | TakeOver
    | Resolve
    | DeskTyping
    | DeskSeen
    | DeskPing,
    Field(discriminator="t"),
]


# --- server → console -----------------------------------------------------------------------------------------------


class TaskCard(Frame):
    """One line of the queue."""

    task: Ulid
    conv: Ulid
    state: Literal["queued", "offered", "assigned", "wrap_up"]
    name: str
    verified: bool
    locale: str
    reason: str
    reasons: list[str] = Field(default_factory=list)
    risk: float | None = None
    band: str | None = None
    value_at_stake: int = 0
    currency: str = "EUR"
    preview: str = ""
    preview_from: Literal["contact", "bot", "agent", "system"] = "contact"
    waiting_since: int  # UTC ms of the original queueing
    offer: Ulid | None = None
    deadline: int | None = None
    agent: str | None = None  # display name of the holder
    agent_id: str | None = None
    assign_epoch: int = 0
    unread: int = 0
    due_at: int | None = None  # reply due
    snoozed_until: int | None = None


class TeamMember(Frame):
    """A colleague, to pass a conversation on to."""

    id: str
    name: str
    presence: Presence
    load: int
    capacity: int
    languages: list[str] = Field(default_factory=list)


class CallbackCard(Frame):
    """Somebody who wants to be called back, and has left an address for it."""

    id: Ulid
    conv: Ulid
    name: str
    locale: str
    email: str | None = None
    phone: str | None = None
    suits: str | None = None  # when, in the contact's words
    timezone: str | None = None  # of the contact's browser
    attempts: int = 0  # tried, and not reached
    tried_at: int | None = None
    agent: str | None = None  # who has taken it, or tried last
    agent_id: str | None = None
    taken: bool = False
    at: int


class Mention(Frame):
    """A note that speaks to the agent."""

    note: Ulid
    conv: Ulid
    name: str  # the contact's
    agent: str  # who wrote it
    body: str  # its beginning
    at: int
    read: bool


class DeskReady(Frame):
    """Answer to hello."""

    t: Literal["ready"] = "ready"
    agent_id: str
    name: str
    role: str
    presence: Presence
    capacity: int
    ping_seconds: int = 10


class Desk(Frame):
    """The whole desk as this agent may see it, whenever it changes."""

    t: Literal["desk"] = "desk"
    now: int
    presence: Presence
    load: int
    capacity: int
    offered: list[TaskCard] = Field(default_factory=list)
    mine: list[TaskCard] = Field(default_factory=list)
    waiting: list[TaskCard] = Field(default_factory=list)  # the head of the queue
    waiting_total: int = 0
    others: list[TaskCard] = Field(default_factory=list)
    team: list[TeamMember] = Field(default_factory=list)  # everybody but the agent
    mentions: list[Mention] = Field(default_factory=list)  # unread ones first, then the newest
    mentions_unread: int = 0
    callbacks: list[CallbackCard] = Field(default_factory=list)
    callbacks_total: int = 0


class DeskEv(Frame):
    """A conversation's event."""

    t: Literal["ev"] = "ev"
    conv: Ulid
    ev: Ev


class DeskScore(Frame):
    """The score of a contact turn, for the curve."""

    t: Literal["score"] = "score"
    conv: Ulid
    seq: Seq
    churn: float | None
    low: float | None = None
    high: float | None = None
    band: str | None = None
    need_human: float | None = None
    dissatisfaction: float | None = None
    reasons: list[dict[str, Any]] = Field(default_factory=list)
    drivers: list[dict[str, Any]] = Field(default_factory=list)


class DeskNote(Frame):
    """A private note."""

    t: Literal["note"] = "note"
    conv: Ulid
    id: Ulid
    agent: str
    body: str
    after_seq: Seq
    at: int
    mentions: list[str] = Field(default_factory=list)  # names of the colleagues it speaks to


class Watching(Frame):
    """Who looks at and who types in a conversation."""

    t: Literal["watching"] = "watching"
    conv: Ulid
    agents: list[str] = Field(default_factory=list)
    typing: list[str] = Field(default_factory=list)  # agents' names, or "contact"


class ContactSeen(Frame):
    """The contact has seen everything up to `seq`; lossy."""

    t: Literal["seen"] = "seen"
    conv: Ulid
    seq: Seq


class Caught(Frame):
    """End of the replay after `watch`: everything up to `head` has been sent."""

    t: Literal["caught"] = "caught"
    conv: Ulid
    head: Seq


class DeskAck(Frame):
    """A durable command was committed."""

    t: Literal["ack"] = "ack"
    cmid: str
    conv: Ulid
    seq: Seq | None = None
    dup: bool = False


class Done(Frame):
    """A task command was committed."""

    t: Literal["done"] = "done"
    command: str
    task: Ulid | None = None
    conv: Ulid | None = None
    assign_epoch: int | None = None


class Refused(Frame):
    """A command was not carried out: an expected conflict (`gone`, `taken`, `full`, `not_holder`, `stale`, `closed`, …)."""

    t: Literal["refused"] = "refused"
    command: str
    code: str
    conv: Ulid | None = None
    task: Ulid | None = None
    cmid: str | None = None
    retry: bool = False


class DeskPong(Frame):
    """Answer to ping."""

    t: Literal["pong"] = "pong"
    n: Seq


class DeskDrain(Frame):
    """The server is going away."""

    t: Literal["drain"] = "drain"
    after_ms: int = 1000


DeskServerFrame = Annotated[
    DeskReady
    | Desk
    | DeskEv
    | DeskScore
    | DeskNote
    | Watching
    | ContactSeen
    | Caught
    | DeskAck
    | Done
    | Refused
    | DeskPong
    | DeskDrain,
    Field(discriminator="t"),
]
