"""Tasks in the database: opened once a conversation, moved by compare-and-set, each move written down.

Plain functions of a Connection, for `Storage.write` and `Storage.read`. What a move means for the conversation stands in
`commands.py`; whether it is legal in `machine.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import Connection, RowMapping, func, insert, select, update

from assistant.conversations.store import Appended, NewEvent, append
from assistant.errors import Conflict, Forbidden
from assistant.escalation.hours import Hours
from assistant.escalation.machine import Task, Transition, evolve, replay
from assistant.ids import new_id
from assistant.storage.tables import contact, conversation, event, orders, site, task, task_event

log = structlog.get_logger(__name__)

DAY_MS: Final = 86_400_000
ESTIMATE_LEAST: Final = 5  # tasks taken within a day, below which no waiting time is promised
UNKNOWN_RISK: Final = 0.5  # weight of a customer's yearly value where there is no score
SAFETY_REASONS: Final = frozenset({"legal", "self_harm", "threat", "injury"})
SAFETY_PRIORITY: Final = 2.0
TAKEN_OVER: Final = "takeover"  # reason of a task that nobody asked for: an agent stepped in, and nobody waited
HELD: Final = ("assigned", "wrap_up")  # states that count against an agent's capacity


def escalate(
    connection: Connection,
    conversation_id: str,
    *,
    by: str,
    reason: str,
    now: int,
    cmid: str | None = None,
    reply_to: int | None = None,
    value_at_stake: int = 0,
) -> Appended:
    """Asks for a person: one live task a conversation, and an `escalated` event {reason, position, estimate_s?, opens_at?}.

    `by`: 'contact' makes the event the contact's own; anyone else ('bot', 'rule', 'agent:<id>') makes it the system's.
    While a task is live no second one is opened: the contact's own request (with its cmid) is still written down, once;
    for anyone else the latest `escalated` event is given back with dup=True. `value_at_stake` (minor units) 0: worked out here
    from a year's orders and the last score. Raises Forbidden for an unknown conversation and Conflict(code="closed") for a
    resolved one. Publish `conv:<id>` and `desk:<site>` after the commit.
    """
    row = connection.execute(select(conversation).where(conversation.c.id == conversation_id)).mappings().first()
    if row is None:
        raise Forbidden("no such conversation")
    sender = "contact" if by == "contact" else "system"
    live = live_task(connection, conversation_id)
    if sender == "system" and live is not None:
        latest = connection.execute(
            select(event.c.seq, event.c.id)
            .where(event.c.conversation_id == conversation_id, event.c.kind == "escalated")
            .order_by(event.c.seq.desc())
            .limit(1)
        ).first()
        if latest is not None:
            return Appended(latest.seq, latest.id, dup=True)
    data: dict[str, object] = {"reason": reason}
    if live is None or live.state not in HELD:
        data |= _prospects(connection, row["site_id"], live.id if live else None, now)
    new = NewEvent(sender, "escalated", data=data, cmid=cmid, reply_to=reply_to)
    appended = append(connection, conversation_id, new, now=now)
    if appended.dup:
        return appended
    if row["status"] == "resolved":
        raise Conflict("the conversation is over", code="closed")
    if live is None:
        at_stake = value_at_stake or estimate_value_at_stake(connection, row, now)
        priority = SAFETY_PRIORITY if reason in SAFETY_REASONS else 0.0
        opened = Transition("queue", 1, by[:64], now, {"reason": reason, "priority": priority})
        open_task(connection, row, opened, reason=reason, value_at_stake=at_stake)
    connection.execute(
        update(conversation).where(conversation.c.id == conversation_id).values(status="escalated", updated_at=now)
    )
    return appended


def open_task(connection: Connection, row: RowMapping, first: Transition, *, reason: str, value_at_stake: int) -> Task:
    """Writes a new task of the conversation `row` with its first transition ('queue' or 'takeover')."""
    opened = evolve(None, first, task_id=new_id())
    connection.execute(
        insert(task).values(
            id=opened.id,
            site_id=row["site_id"],
            conversation_id=row["id"],
            reason=reason[:64],
            value_at_stake=value_at_stake,
            language=row["locale"],
            queued_at=opened.queued_at,
            created_at=first.at,
            **_columns(opened, first),
        )
    )
    _write_down(connection, opened.id, first)
    return opened


def save(connection: Connection, before: Task, transition: Transition) -> Task:
    """Moves a task by compare-and-set on (state, version) and writes the transition down.

    Raises Conflict(code="gone") when somebody else moved it first.
    """
    after = evolve(before, transition)
    moved = connection.execute(
        update(task)
        .where(task.c.id == before.id, task.c.state == before.state, task.c.version == before.version)
        .values(**_columns(after, transition))
    ).rowcount
    if moved != 1:
        raise Conflict("somebody was faster", code="gone")
    _write_down(connection, before.id, transition)
    return after


def get(connection: Connection, task_id: str, *, site_id: str) -> RowMapping:
    """The task's row. Raises Conflict(code="gone"), the same for absent and foreign ones."""
    row = (
        connection.execute(select(task).where(task.c.id == task_id, task.c.site_id == site_id)).mappings().one_or_none()
    )
    if row is None:
        raise Conflict("no such task", code="gone")
    return row


def live_task(connection: Connection, conversation_id: str) -> Task | None:
    """The conversation's task that is not done, if it has one."""
    row = (
        connection.execute(select(task).where(task.c.conversation_id == conversation_id, task.c.state != "done"))
        .mappings()
        .one_or_none()
    )
    return None if row is None else to_task(row)


def transitions(connection: Connection, task_id: str) -> list[Transition]:
    """All that happened to a task, in order."""
    rows = connection.execute(
        select(task_event).where(task_event.c.task_id == task_id).order_by(task_event.c.version)
    ).mappings()
    return [Transition(row["transition"], row["version"], row["actor"], row["at"], row["data"]) for row in rows]


def replayed(connection: Connection, task_id: str) -> Task | None:
    """The task as its transitions say; equal to its row at all times."""
    return replay(task_id, transitions(connection, task_id))


def load_of(connection: Connection, agent_id: str) -> int:
    """Tasks that the agent holds: assigned ones and those in wrap-up."""
    held = select(func.count()).select_from(task).where(task.c.agent_id == agent_id, task.c.state.in_(HELD))
    return int(connection.execute(held).scalar_one())


def to_task(row: RowMapping) -> Task:
    """A row as the machine sees it."""
    return Task(
        id=row["id"],
        state=row["state"],
        version=row["version"],
        queued_at=row["queued_at"],
        priority=row["priority"],
        offer_id=row["offer_id"],
        offered_to=row["offered_to"],
        deadline=row["deadline"],
        declined=tuple((agent, at) for agent, at in row["declined_by"]),
        agent_id=row["agent_id"],
        assign_epoch=row["assign_epoch"],
        wanted_agent=row["wanted_agent"],
        wanted_until=row["wanted_until"],
        snoozed_until=row["snoozed_until"],
        disposition=row["disposition"],
    )


def closed_until(connection: Connection, site_id: str, now: int) -> int | None:
    """When people are there again, UTC ms, if nobody is by the shop's opening hours; None when it is open, or has none.

    Hours that cannot be read count as none: a slip in a setting must not keep anybody from a person.
    """
    settings = connection.execute(select(site.c.settings).where(site.c.id == site_id)).scalar_one()
    try:
        hours = Hours.from_settings(settings)
    except ValueError as error:
        log.warning("bad_hours", site=site_id, error=str(error))
        return None
    opens_at = None if hours is None else hours.next_opening(now)
    return None if opens_at == now else opens_at


def estimate_value_at_stake(connection: Connection, row: RowMapping, now: int) -> int:
    """What the customer of the conversation `row` spends in a year times the probability of leaving, in minor units."""
    spent = connection.execute(
        select(func.coalesce(func.sum(orders.c.total), 0))
        .join(
            contact,
            (contact.c.site_id == orders.c.site_id) & (contact.c.external_id == orders.c.external_customer_id),
        )
        .where(
            contact.c.id == row["contact_id"],
            contact.c.verified,
            orders.c.status != "cancelled",
            orders.c.ts_event > now - 365 * DAY_MS,
            orders.c.ts_event <= now,
        )
    ).scalar_one()
    return round(float(spent) * (UNKNOWN_RISK if row["risk"] is None else row["risk"]))


def _columns(after: Task, transition: Transition) -> dict[str, object]:
    columns: dict[str, object] = {
        "state": after.state,
        "version": after.version,
        "priority": after.priority,
        "offer_id": after.offer_id,
        "offered_to": after.offered_to,
        "deadline": after.deadline,
        "declined_by": [list(entry) for entry in after.declined],
        "agent_id": after.agent_id,
        "assign_epoch": after.assign_epoch,
        "wanted_agent": after.wanted_agent,
        "wanted_until": after.wanted_until,
        "snoozed_until": after.snoozed_until,
        "disposition": after.disposition,
    }
    if transition.name in ("accept", "claim", "takeover"):
        columns["assigned_at"] = transition.at
    if after.state == "done":
        columns["done_at"] = transition.at
    return columns


def _write_down(connection: Connection, task_id: str, transition: Transition) -> None:
    connection.execute(
        insert(task_event).values(
            id=new_id(),
            task_id=task_id,
            version=transition.version,
            transition=transition.name,
            actor=transition.actor,
            data=dict(transition.data),
            at=transition.at,
        )
    )


def _prospects(connection: Connection, site_id: str, live: str | None, now: int) -> dict[str, object]:
    """What a contact who waits is told: the place in the queue, and when somebody comes, as far as that is known."""
    prospects: dict[str, object] = {"position": _position(connection, site_id, live)}
    opens_at = closed_until(connection, site_id, now)
    estimate = expected_wait_s(connection, site_id, now)
    if opens_at is not None:
        prospects["opens_at"] = opens_at
    elif estimate is not None:
        prospects["estimate_s"] = estimate
    return prospects


def _position(connection: Connection, site_id: str, live: str | None) -> int:
    """Place in the queue from 1: those already waiting, plus this one."""
    waiting = select(func.count()).select_from(task).where(task.c.site_id == site_id, task.c.state == "queued")
    if live is not None:
        waiting = waiting.where(task.c.id != live)
    return int(connection.execute(waiting).scalar_one()) + 1


def expected_wait_s(connection: Connection, site_id: str, now: int) -> int | None:
    """How long somebody who asks for a person now will wait, in seconds: the median of the tasks taken within the last day.

    None when they were too few to promise anything, and outside opening hours.
    """
    if closed_until(connection, site_id, now) is not None:
        return None
    waits: Sequence[int] = sorted(
        connection.execute(
            select(task.c.assigned_at - task.c.queued_at)
            .where(
                task.c.site_id == site_id,
                task.c.assigned_at > now - DAY_MS,
                task.c.assigned_at <= now,
                task.c.reason != TAKEN_OVER,
            )
            .order_by(task.c.assigned_at.desc())
            .limit(50)
        ).scalars()
    )
    if len(waits) < ESTIMATE_LEAST:
        return None
    return round(waits[len(waits) // 2] / 1000)
