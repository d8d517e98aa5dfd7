"""The reservation state machine of a task. Pure: commands in, a transition out; no clock, no ids, no database.

    queued ──offer──▶ offered(agent, offer_id, deadline) ──accept──▶ assigned(agent, assign_epoch) ──end──▶ wrap_up ──▶ done

A decline, an expired offer or a lost agent puts the task back into the queue with its original time. `decide` says what a
command leads to, or raises Conflict; `evolve` applies a transition. Both go by `TABLE`, and a task row is at all times what
`replay` makes of its transitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from assistant.errors import Conflict

State = Literal["queued", "offered", "assigned", "wrap_up", "done"]
Name = Literal[
    "queue",
    "offer",
    "accept",
    "claim",
    "takeover",
    "decline",
    "expire",
    "lose",
    "transfer",
    "return",
    "snooze",
    "wake",
    "end",
    "abandon",
    "resolve",
    "forget",
]

TABLE: Final[Mapping[tuple[State | None, Name], State]] = {
    (None, "queue"): "queued",
    (None, "takeover"): "assigned",
    ("queued", "offer"): "offered",
    ("queued", "claim"): "assigned",
    ("queued", "takeover"): "assigned",
    ("queued", "abandon"): "done",
    ("offered", "accept"): "assigned",
    ("offered", "takeover"): "assigned",
    ("offered", "decline"): "queued",
    ("offered", "expire"): "queued",
    ("offered", "lose"): "queued",
    ("offered", "abandon"): "done",
    ("assigned", "takeover"): "assigned",
    ("assigned", "lose"): "queued",
    ("assigned", "transfer"): "queued",
    ("assigned", "return"): "done",
    ("assigned", "snooze"): "assigned",
    ("assigned", "wake"): "assigned",
    ("assigned", "end"): "wrap_up",
    ("assigned", "resolve"): "done",
    ("wrap_up", "resolve"): "done",
    ("wrap_up", "forget"): "done",
}

FRONT: Final = 1.0  # priority of a task that somebody already had: ahead of those who never were


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the machine sees it. `declined` holds (agent id, when) of those who passed on it."""

    id: str
    state: State
    version: int
    queued_at: int
    priority: float = 0.0
    offer_id: str | None = None
    offered_to: str | None = None
    deadline: int | None = None
    declined: tuple[tuple[str, int], ...] = ()
    agent_id: str | None = None
    assign_epoch: int = 0
    wanted_agent: str | None = None  # a colleague whom a transfer names; offered to nobody else before `wanted_until`
    wanted_until: int | None = None
    snoozed_until: int | None = None
    disposition: str | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """A fact: what happened to a task, by whom, when. `data` holds what `evolve` needs to apply it."""

    name: Name
    version: int
    actor: str
    at: int
    data: Mapping[str, Any]


# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """Offer the task to `agent` until `deadline`."""

    agent: str
    offer_id: str
    deadline: int


@dataclass(frozen=True, slots=True)
class Accept:
    """`agent` takes the offer. Too late at its deadline: the sweeper owns that millisecond."""

    agent: str
    offer_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Claim:
    """`agent` takes a queued task by hand."""

    agent: str
    epoch: int


@dataclass(frozen=True, slots=True)
class TakeOver:
    """`agent` steps in unasked. From a colleague only with `may_displace` (supervisors)."""

    agent: str
    epoch: int
    may_displace: bool = False


@dataclass(frozen=True, slots=True)
class Decline:
    """`agent` passes on the offer."""

    agent: str
    offer_id: str


@dataclass(frozen=True, slots=True)
class Expire:
    """The offer's deadline has come, or cannot be trusted (`set_back`: the clock that made it has been set back)."""

    set_back: bool = False


@dataclass(frozen=True, slots=True)
class Lose:
    """The agent who has it, or to whom it is offered, is gone."""

    agent: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """The holder passes it on: to whoever is free, or until `until` only to the colleague `to`."""

    agent: str
    epoch: int
    to: str | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Snooze:
    """The holder sets it aside until `until`."""

    agent: str
    epoch: int
    until: int


@dataclass(frozen=True, slots=True)
class Wake:
    """The time is over, or the contact wrote."""


@dataclass(frozen=True, slots=True)
class Return:
    """The holder hands the conversation back to the assistant."""

    agent: str
    epoch: int


@dataclass(frozen=True, slots=True)
class End:
    """The contact ended the conversation."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """The holder ends it with a coded result."""

    agent: str
    epoch: int
    disposition: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The agent left during wrap-up: it is done, without a disposition."""

    agent: str


Command = (
    Offer
    | Accept
    | Claim
    | TakeOver
    | Decline
    | Expire
    | Lose
    | Transfer
    | Snooze
    | Wake
    | Return
    | End
    | Resolve
    | Forget
)


def decide(task: Task, command: Command, now: int) -> Transition:
    """What `command` leads to at `now` (UTC ms).

    Raises Conflict with a code: `closed` (done), `gone` (no longer offered, or another offer), `taken` (somebody else has it),
    `not_holder`, `stale` (an older assignment), `early` (an offer that is not due yet).
    """
    match command:
        case Offer(agent, offer_id, deadline):
            return _go(task, "offer", "system", now, agent=agent, offer_id=offer_id, deadline=deadline)
        case Accept(agent, offer_id, epoch):
            _must_be_offered(task, agent, offer_id)
            if task.deadline is not None and now >= task.deadline:
                raise Conflict("the offer has run out", code="gone")
            return _go(task, "accept", agent, now, agent=agent, epoch=epoch)
        case Claim(agent, epoch):
            if task.state in ("offered", "assigned", "wrap_up"):
                raise Conflict("somebody else has it", code="taken")
            return _go(task, "claim", agent, now, agent=agent, epoch=epoch)
        case TakeOver(agent, epoch, may_displace):
            if task.state == "assigned" and (task.agent_id == agent or not may_displace):
                raise Conflict("a colleague has it", code="taken")
            return _go(task, "takeover", agent, now, agent=agent, epoch=epoch)
        case Decline(agent, offer_id):
            _must_be_offered(task, agent, offer_id)
            return _go(task, "decline", agent, now, agent=agent)
        case Expire(set_back):
            if task.state == "offered" and task.deadline is not None and now < task.deadline and not set_back:
                raise Conflict("the offer still stands", code="early")
            return _go(task, "expire", "system", now, agent=task.offered_to)
        case Lose(agent):
            if agent not in (task.agent_id, task.offered_to):
                raise Conflict("the agent does not have it", code="gone")
            return _go(task, "lose", "system", now, agent=agent)
        case Transfer(agent, epoch, to, until):
            _must_hold(task, agent, epoch)
            return _go(task, "transfer", agent, now, agent=agent, to=to, until=until)
        case Snooze(agent, epoch, until):
            _must_hold(task, agent, epoch)
            return _go(task, "snooze", agent, now, agent=agent, until=until)
        case Wake():
            if task.snoozed_until is None:
                raise Conflict("it is not set aside", code="gone")
            return _go(task, "wake", "system", now)
        case Return(agent, epoch):
            _must_hold(task, agent, epoch)
            return _go(task, "return", agent, now, agent=agent)
        case End():
            return _go(task, "end" if task.state == "assigned" else "abandon", "contact", now)
        case Resolve(agent, epoch, disposition):
            _must_hold(task, agent, epoch)
            return _go(task, "resolve", agent, now, agent=agent, disposition=disposition)
        case Forget(agent):
            return _go(task, "forget", "system", now, agent=agent)


def evolve(task: Task | None, transition: Transition, *, task_id: str = "") -> Task:
    """The task after `transition`. Raises Conflict(code="closed" or "gone") where `TABLE` has no such step."""
    state = task.state if task is not None else None
    target = TABLE.get((state, transition.name))
    if target is None:
        raise _illegal(state, transition.name)
    data = transition.data
    if task is None:
        task = Task(task_id, target, 0, transition.at, priority=float(data.get("priority", 0.0)))
    task = replace(task, state=target, version=transition.version)
    match transition.name:
        case "offer":
            return replace(task, offer_id=data["offer_id"], offered_to=data["agent"], deadline=data["deadline"])
        case "accept" | "claim" | "takeover":
            return replace(_free(task), agent_id=data["agent"], assign_epoch=data["epoch"])
        case "decline" | "expire":
            return replace(_free(task), declined=_declined(task, data["agent"], transition.at))
        case "lose":
            return replace(_free(task), priority=max(task.priority, FRONT))
        case "transfer":
            return replace(
                _free(task),
                priority=max(task.priority, FRONT),
                declined=_declined(task, data["agent"], transition.at),
                wanted_agent=data["to"],
                wanted_until=data["until"],
            )
        case "snooze":
            return replace(task, snoozed_until=data["until"])
        case "wake" | "end":
            return replace(task, snoozed_until=None)
        case "resolve":
            return replace(task, snoozed_until=None, disposition=data["disposition"])
        case "return" | "forget":
            return replace(task, snoozed_until=None)
        case "abandon":
            return _free(task)
        case "queue":
            return task


def replay(task_id: str, transitions: Iterable[Transition]) -> Task | None:
    """The task that its transitions lead to, from the first to the last; None for none."""
    task: Task | None = None
    for transition in transitions:
        task = evolve(task, transition, task_id=task_id)
    return task


# --- helpers --------------------------------------------------------------------------------------------------------


def _go(task: Task, name: Name, actor: str, now: int, **data: Any) -> Transition:
    if (task.state, name) not in TABLE:
        raise _illegal(task.state, name)
    return Transition(name, task.version + 1, actor, now, data)


def _illegal(state: State | None, name: Name) -> Conflict:
    code = "closed" if state == "done" else "gone"
    return Conflict(f"{name} is not possible for a task that is {state}", code=code)


def _must_be_offered(task: Task, agent: str, offer_id: str) -> None:
    if task.state == "assigned" and task.agent_id != agent:
        raise Conflict("a colleague has it", code="taken")
    if task.state == "done":
        raise Conflict("it is done", code="closed")
    if task.state != "offered" or task.offered_to != agent or task.offer_id != offer_id:
        raise Conflict("it is no longer offered to you", code="gone")


def _must_hold(task: Task, agent: str, epoch: int) -> None:
    if task.state == "done":
        raise Conflict("it is done", code="closed")
    if task.agent_id != agent:
        raise Conflict("you do not hold it", code="not_holder")
    if task.assign_epoch != epoch:
        raise Conflict("that was an earlier assignment", code="stale")


def _free(task: Task) -> Task:
    """Nobody's: no offer, no agent, nothing set aside."""
    return replace(
        task,
        offer_id=None,
        offered_to=None,
        deadline=None,
        agent_id=None,
        wanted_agent=None,
        wanted_until=None,
        snoozed_until=None,
    )


def _declined(task: Task, agent: str | None, at: int) -> tuple[tuple[str, int], ...]:
    others = tuple(entry for entry in task.declined if entry[0] != agent)
    return others if agent is None else (*others, (agent, at))
