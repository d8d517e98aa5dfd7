"""What agents and the sweeper do to a conversation: each function is one transaction's work; task and conversation stay in step.

Whoever may speak is `conversation.holder`; it changes here and nowhere else. `assign_epoch` grows with every assignment, so that
a console which lost a conversation and got it back cannot send what was meant for the earlier turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from assistant.conversations import store as conversations
from assistant.conversations.status import BOT, may_speak
from assistant.conversations.store import Appended, NewEvent
from assistant.errors import BadInput, Conflict
from assistant.escalation import machine, mentions, presence, store, suggestions
from assistant.escalation.machine import Task, Transition
from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.outcomes import store as outcomes
from assistant.storage.tables import agent as agents
from assistant.storage.tables import conversation, note, task
from assistant.wire import MAX_BODY

DISPOSITIONS: Final = ("saved", "solved", "refunded", "lost", "follow_up", "spam")
TRANSFER_HOLDS_MS: Final = 60_000  # how long a transfer waits for the colleague it names
LONGEST_SNOOZE_MS: Final = 30 * store.DAY_MS


@dataclass(frozen=True, slots=True)
class Moved:
    """What a command did, for whoever tells the others: publish `conv:<id>` and `desk:<site>` after the commit."""

    task: Task
    conversation_id: str
    site_id: str


@dataclass(frozen=True, slots=True)
class Said:
    """A stored message or note. `seq` of a note is where it stands in the transcript."""

    id: str
    seq: int
    dup: bool


# --- taking a conversation ------------------------------------------------------------------------------------------


def accept(connection: Connection, who: Agent, task_id: str, offer_id: str | None, *, now: int) -> Moved:
    """Takes an offered task, or claims a queued one when `offer_id` is None.

    Raises Conflict: `gone`, `taken`, `closed` (see `machine.decide`), `full` (no room under the agent's capacity).
    """
    row = store.get(connection, task_id, site_id=who.site_id)
    before = store.to_task(row)
    held = conversations.get(connection, row["conversation_id"], site_id=who.site_id, for_update=True)
    epoch = held["assign_epoch"] + 1
    if offer_id is None and before.state == "offered" and before.offered_to == who.id:
        offer_id = before.offer_id
    command = machine.Claim(who.id, epoch) if offer_id is None else machine.Accept(who.id, offer_id, epoch)
    transition = machine.decide(before, command, now)
    _must_have_room(connection, who)
    after = store.save(connection, before, transition)
    _hand_over(connection, held, who, after, now)
    return Moved(after, held["id"], who.site_id)


def decline(connection: Connection, who: Agent, task_id: str, offer_id: str, *, now: int) -> Moved:
    """Passes on an offer: back into the queue with its original time. Raises Conflict `gone`, `taken`, `closed`."""
    row = store.get(connection, task_id, site_id=who.site_id)
    after = _move(connection, store.to_task(row), machine.Decline(who.id, offer_id), now)
    return Moved(after, row["conversation_id"], who.site_id)


def take_over(connection: Connection, who: Agent, conversation_id: str, *, now: int) -> Moved:
    """Steps in unasked: from the assistant, from the queue, and, for supervisors, from a colleague.

    Raises Forbidden (no such conversation), Conflict `closed`, `taken`, `full`.
    """
    held = conversations.get(connection, conversation_id, site_id=who.site_id, for_update=True)
    if held["status"] == "resolved":
        raise Conflict("the conversation is over", code="closed")
    before = store.live_task(connection, conversation_id)
    command = machine.TakeOver(who.id, held["assign_epoch"] + 1, may_displace=who.supervises)
    if before is None:
        _must_have_room(connection, who)
        first = Transition("takeover", 1, who.id, now, {"agent": who.id, "epoch": command.epoch})
        at_stake = store.estimate_value_at_stake(connection, held, now)
        after = store.open_task(connection, held, first, reason=store.TAKEN_OVER, value_at_stake=at_stake)
    else:
        transition = machine.decide(before, command, now)
        _must_have_room(connection, who)
        after = store.save(connection, before, transition)
    _hand_over(connection, held, who, after, now)
    return Moved(after, conversation_id, who.site_id)


# --- holding it -----------------------------------------------------------------------------------------------------


def send(
    connection: Connection,
    who: Agent,
    conversation_id: str,
    *,
    cmid: str,
    body: str,
    assign_epoch: int,
    now: int,
    suggestion: tuple[str, bool] | None = None,
) -> Said:
    """A message to the contact. Only the holder may send; the same cmid again gives the old seq, also after a hand-over.

    `suggestion`: (document id, edited) when the text came from one. Raises BadInput `empty`, `too_long`; Conflict `not_holder`,
    `stale`, `closed`, `cmid_conflict`.
    """
    _must_be_text(body)
    held = conversations.get(connection, conversation_id, site_id=who.site_id, for_update=True)
    new = NewEvent(who.sender, "message", body=body, cmid=cmid)
    if conversations.find_sent(connection, conversation_id, who.sender, cmid) is None:
        _must_speak(held, who, assign_epoch)
    appended = conversations.append(connection, conversation_id, new, now=now)
    if not appended.dup:
        current = store.live_task(connection, conversation_id)
        if current is not None:
            _stamp_first_reply(connection, current, now)
            if current.snoozed_until is not None:
                _move(connection, current, machine.Wake(), now)
        suggestions.log_fates(connection, who, conversation_id, appended.seq, suggestion, now=now)
    return Said(appended.id, appended.seq, appended.dup)


def write_note(
    connection: Connection,
    who: Agent,
    conversation_id: str,
    *,
    cmid: str,
    body: str,
    now: int,
    whom: Sequence[str] = (),
) -> Said:
    """A note for colleagues, never seen by the contact; those in `whom` (ids) are told. The same cmid again is stored once.

    Raises BadInput `empty`, `too_long`, `no_such_agent`; Conflict `cmid_conflict`.
    """
    _must_be_text(body)
    held = conversations.get(connection, conversation_id, site_id=who.site_id, for_update=True)
    known = connection.execute(
        select(note.c.id, note.c.body, note.c.after_seq).where(
            note.c.conversation_id == conversation_id, note.c.agent_id == who.id, note.c.cmid == cmid
        )
    ).first()
    if known is not None:
        if known.body != body:
            raise Conflict("this cmid was used for another note", code="cmid_conflict")
        return Said(known.id, known.after_seq, dup=True)
    note_id = new_id()
    connection.execute(
        insert(note).values(
            id=note_id,
            conversation_id=conversation_id,
            agent_id=who.id,
            cmid=cmid,
            body=body,
            after_seq=held["head"],
            at=now,
        )
    )
    mentions.mention_all(connection, who, note_id, conversation_id, whom, now=now)
    return Said(note_id, held["head"], dup=False)


def snooze(
    connection: Connection, who: Agent, conversation_id: str, *, assign_epoch: int, until: int, now: int
) -> Moved:
    """Sets a held conversation aside until `until`, or until the contact writes. Raises BadInput `bad_time`, Conflict."""
    if not now < until <= now + LONGEST_SNOOZE_MS:
        raise BadInput("a conversation can be set aside for up to 30 days", code="bad_time")
    before = _held_task(connection, who, conversation_id)
    after = _move(connection, before, machine.Snooze(who.id, assign_epoch, until), now)
    return Moved(after, conversation_id, who.site_id)


# --- letting it go --------------------------------------------------------------------------------------------------


def hand_back(connection: Connection, who: Agent, conversation_id: str, *, assign_epoch: int, now: int) -> Moved:
    """Back to the assistant. Raises Conflict `not_holder`, `stale`, `closed`."""
    before = _held_task(connection, who, conversation_id)
    after = _move(connection, before, machine.Return(who.id, assign_epoch), now)
    _give_to_bot(connection, conversation_id, status="open", now=now)
    _tell(connection, conversation_id, "returned", {"agent": who.name}, now)
    return Moved(after, conversation_id, who.site_id)


def transfer(
    connection: Connection,
    who: Agent,
    conversation_id: str,
    *,
    assign_epoch: int,
    to: str | None,
    cmid: str,
    text: str,
    now: int,
) -> Moved:
    """Passes it on to a colleague by name (who is asked first, for a minute) or to whoever is free; `text` becomes a note.

    Raises BadInput `no_such_agent`, Conflict `not_holder`, `stale`, `closed`.
    """
    if to is not None and (to == who.id or not _is_colleague(connection, who.site_id, to)):
        raise BadInput("there is no such colleague", code="no_such_agent")
    before = _held_task(connection, who, conversation_id)
    until = None if to is None else now + TRANSFER_HOLDS_MS
    after = _move(connection, before, machine.Transfer(who.id, assign_epoch, to, until), now)
    if text.strip():
        write_note(connection, who, conversation_id, cmid=cmid, body=text, now=now)
    _give_to_bot(connection, conversation_id, status="escalated", now=now)
    _tell(connection, conversation_id, "left", {"agent": who.name, "transferred": True}, now)
    return Moved(after, conversation_id, who.site_id)


def resolve(
    connection: Connection,
    who: Agent,
    conversation_id: str,
    *,
    assign_epoch: int,
    disposition: str,
    comment: str,
    now: int,
) -> Moved:
    """Ends the conversation with a coded result, which goes into the outcome log and is never shown to the contact.

    Raises BadInput `unknown_disposition`, Conflict `not_holder`, `stale`, `closed`.
    """
    if disposition not in DISPOSITIONS:
        raise BadInput(f"unknown disposition; known: {', '.join(DISPOSITIONS)}", code="unknown_disposition")
    before = _held_task(connection, who, conversation_id)
    after = _move(connection, before, machine.Resolve(who.id, assign_epoch, disposition), now)
    connection.execute(update(task).where(task.c.id == after.id).values(comment=comment or None))
    if before.state == "assigned":  # in wrap-up the contact has ended it already
        _close(connection, conversation_id, now)
        _tell(connection, conversation_id, "resolved", {"by": "agent"}, now)
    outcomes.record(
        connection,
        site_id=who.site_id,
        idempotency_key=f"disposition:{after.id}",
        type="disposition",
        source="agent",
        ts_event=now,
        now=now,
        conversation_id=conversation_id,
        label={"disposition": disposition, "agent": who.id, "comment": comment or None},
    )
    return Moved(after, conversation_id, who.site_id)


def contact_ended(connection: Connection, conversation_id: str, *, now: int) -> Moved | None:
    """The contact ended the conversation: a waiting task is done, a held one goes into wrap-up for its disposition.

    For the caller's transaction, beside its own `resolved` event and status. None when there was no live task.
    """
    before = store.live_task(connection, conversation_id)
    if before is None or before.state == "wrap_up":
        return None
    after = _move(connection, before, machine.End(), now)
    site_id = connection.execute(
        update(conversation)
        .where(conversation.c.id == conversation_id)
        .values(holder=BOT)
        .returning(conversation.c.site_id)
    ).scalar_one()
    return Moved(after, conversation_id, site_id)


def sign_off(connection: Connection, who: Agent, *, now: int) -> list[Moved]:
    """The agent logged out: the lease ends now, and what is offered to the agent goes back to the front of the queue."""
    presence.sign_off(connection, who.id, now=now)
    offered = connection.execute(select(task).where(task.c.offered_to == who.id, task.c.state == "offered")).mappings()
    return [lose(connection, row, who.id, now=now) for row in offered.all()]


# --- for the sweeper ------------------------------------------------------------------------------------------------


def offer(connection: Connection, row: RowMapping, agent_id: str, *, deadline: int, now: int) -> Moved:
    """Offers a queued task to an agent until `deadline`."""
    after = _move(connection, store.to_task(row), machine.Offer(agent_id, new_id(), deadline), now)
    return Moved(after, row["conversation_id"], row["site_id"])


def expire(connection: Connection, row: RowMapping, *, now: int, set_back: bool = False) -> Moved:
    """The offer has run out: back into the queue. `set_back`: its deadline was made by a clock that has been set back since."""
    after = _move(connection, store.to_task(row), machine.Expire(set_back), now)
    return Moved(after, row["conversation_id"], row["site_id"])


def wake(connection: Connection, row: RowMapping, *, now: int) -> Moved:
    """A conversation that was set aside is due again."""
    after = _move(connection, store.to_task(row), machine.Wake(), now)
    return Moved(after, row["conversation_id"], row["site_id"])


def lose(connection: Connection, row: RowMapping, agent_id: str, *, now: int) -> Moved:
    """The agent is gone: the task goes to the front of the queue and the contact is told, once; in wrap-up it is just done."""
    before = store.to_task(row)
    if before.state == "wrap_up":
        after = _move(connection, before, machine.Forget(agent_id), now)
        return Moved(after, row["conversation_id"], row["site_id"])
    after = _move(connection, before, machine.Lose(agent_id), now)
    if before.state == "assigned":
        _give_to_bot(connection, row["conversation_id"], status="escalated", now=now)
        name = connection.execute(select(agents.c.name).where(agents.c.id == agent_id)).scalar_one()
        _tell(connection, row["conversation_id"], "left", {"agent": name}, now)
    return Moved(after, row["conversation_id"], row["site_id"])


def tell_waiting(connection: Connection, row: RowMapping, *, now: int) -> Moved:
    """Nobody is free: the contact is told once and offered a call-back; the task stays. Raises Conflict `gone` if told."""
    told = update(task).where(task.c.id == row["id"], task.c.told_waiting_at.is_(None)).values(told_waiting_at=now)
    if connection.execute(told).rowcount != 1:
        raise Conflict("the contact knows", code="gone")
    data: dict[str, object] = {"callback": True}
    opens_at = store.closed_until(connection, row["site_id"], now)
    if opens_at is not None:
        data["opens_at"] = opens_at
    _tell(connection, row["conversation_id"], "waiting", data, now)
    return Moved(store.to_task(row), row["conversation_id"], row["site_id"])


# --- helpers --------------------------------------------------------------------------------------------------------


def _move(connection: Connection, before: Task, command: machine.Command, now: int) -> Task:
    return store.save(connection, before, machine.decide(before, command, now))


def _hand_over(connection: Connection, held: RowMapping, who: Agent, after: Task, now: int) -> None:
    connection.execute(
        update(conversation)
        .where(conversation.c.id == held["id"])
        .values(holder=who.sender, assign_epoch=after.assign_epoch, status="escalated", updated_at=now)
    )
    _tell(connection, held["id"], "joined", {"agent": who.name}, now)
    outcomes.record(
        connection,
        site_id=who.site_id,
        idempotency_key=f"handoff:{after.id}:{after.version}",
        type="handoff",
        source="agent",
        ts_event=now,
        now=now,
        conversation_id=held["id"],
        label={"agent": who.id, "task": after.id},
    )


def _give_to_bot(connection: Connection, conversation_id: str, *, status: str, now: int) -> None:
    connection.execute(
        update(conversation)
        .where(conversation.c.id == conversation_id)
        .values(holder=BOT, status=status, updated_at=now)
    )


def _close(connection: Connection, conversation_id: str, now: int) -> None:
    connection.execute(
        update(conversation)
        .where(conversation.c.id == conversation_id)
        .values(holder=BOT, status="resolved", resolved_at=now, updated_at=now)
    )


def _tell(connection: Connection, conversation_id: str, kind: str, data: dict[str, object], now: int) -> Appended:
    return conversations.append(connection, conversation_id, NewEvent("system", kind, data=data), now=now)


def _held_task(connection: Connection, who: Agent, conversation_id: str) -> Task:
    conversations.get(connection, conversation_id, site_id=who.site_id, for_update=True)
    current = store.live_task(connection, conversation_id)
    if current is None:
        raise Conflict("nobody holds it", code="closed")
    return current


def _must_have_room(connection: Connection, who: Agent) -> None:
    # The agent's row is locked, so that two workers cannot both count the last free place (SQLite has one writer anyway).
    capacity = connection.execute(select(agents.c.capacity).where(agents.c.id == who.id).with_for_update()).scalar_one()
    if store.load_of(connection, who.id) >= capacity:
        raise Conflict("you hold as many conversations as you can", code="full")


def _must_speak(held: RowMapping, who: Agent, assign_epoch: int) -> None:
    if held["status"] == "resolved":
        raise Conflict("the conversation is over", code="closed")
    if not may_speak(who.sender, status=held["status"], holder=held["holder"]):
        raise Conflict("you do not hold it", code="not_holder")
    if held["assign_epoch"] != assign_epoch:
        raise Conflict("that was an earlier assignment", code="stale")


def _must_be_text(body: str) -> None:
    if not body.strip():
        raise BadInput("there is nothing in it", code="empty")
    if len(body) > MAX_BODY:
        raise BadInput(f"at most {MAX_BODY} characters", code="too_long")


def _stamp_first_reply(connection: Connection, current: Task, now: int) -> None:
    connection.execute(
        update(task).where(task.c.id == current.id, task.c.first_reply_at.is_(None)).values(first_reply_at=now)
    )


def _is_colleague(connection: Connection, site_id: str, agent_id: str) -> bool:
    found = (
        select(func.count())
        .select_from(agents)
        .where(agents.c.id == agent_id, agents.c.site_id == site_id, agents.c.disabled.is_(False))
    )
    return bool(connection.execute(found).scalar_one())
