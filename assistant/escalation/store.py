"""Tasks in the database. Plain functions of a Connection, for `Storage.write` and `Storage.read`."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select, update

from assistant.conversations.store import Appended, NewEvent, append
from assistant.errors import Conflict, Forbidden
from assistant.ids import new_id
from assistant.storage.tables import conversation, event, task, task_event

DAY_MS = 86_400_000
ESTIMATE_LEAST = 5  # tasks taken within a day, below which no waiting time is promised


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
    """Asks for a person: one live task a conversation, and an `escalated` event {reason, position, estimate_s?}.

    `by`: 'contact' makes the event the contact's own; anyone else ('bot', 'rule', 'agent:<id>') makes it the system's.
    While a task is live no second one is opened: the contact's own request (with its cmid) is still written down, once;
    for anyone else the latest `escalated` event is given back with dup=True. Raises Forbidden for an unknown conversation
    and Conflict(code="closed") for a resolved one. Publish `conv:<id>` and `desk:<site>` after the commit.
    """
    row = connection.execute(select(conversation).where(conversation.c.id == conversation_id)).mappings().first()
    if row is None:
        raise Forbidden("no such conversation")
    sender = "contact" if by == "contact" else "system"
    live = connection.execute(
        select(task.c.id).where(task.c.conversation_id == conversation_id, task.c.state != "done")
    ).scalar()
    if sender == "system" and live is not None:
        latest = connection.execute(
            select(event.c.seq, event.c.id)
            .where(event.c.conversation_id == conversation_id, event.c.kind == "escalated")
            .order_by(event.c.seq.desc())
            .limit(1)
        ).first()
        if latest is not None:
            return Appended(latest.seq, latest.id, dup=True)
    position = _position(connection, row["site_id"], live)
    data: dict[str, object] = {"reason": reason, "position": position}
    estimate = _estimate_s(connection, row["site_id"], now)
    if estimate is not None:
        data["estimate_s"] = estimate
    new = NewEvent(sender, "escalated", data=data, cmid=cmid, reply_to=reply_to)
    appended = append(connection, conversation_id, new, now=now)
    if appended.dup:
        return appended
    if row["status"] == "resolved":
        raise Conflict("the conversation is over", code="closed")
    if live is None:
        task_id = new_id()
        connection.execute(
            insert(task).values(
                id=task_id,
                site_id=row["site_id"],
                conversation_id=conversation_id,
                state="queued",
                reason=reason[:64],
                value_at_stake=value_at_stake,
                language=row["locale"],
                queued_at=now,
                created_at=now,
            )
        )
        connection.execute(
            insert(task_event).values(
                id=new_id(),
                task_id=task_id,
                version=1,
                transition="queue",
                actor=by[:64],
                data={"reason": reason},
                at=now,
            )
        )
    connection.execute(
        update(conversation).where(conversation.c.id == conversation_id).values(status="escalated", updated_at=now)
    )
    return appended


def _position(connection: Connection, site_id: str, live: str | None) -> int:
    """Place in the queue from 1: those already waiting, plus this one."""
    waiting = select(func.count()).select_from(task).where(task.c.site_id == site_id, task.c.state == "queued")
    if live is not None:
        waiting = waiting.where(task.c.id != live)
    return int(connection.execute(waiting).scalar_one()) + 1


def _estimate_s(connection: Connection, site_id: str, now: int) -> int | None:
    """Median time, in seconds, that the tasks taken within the last day had waited; None when they were too few."""
    waits = sorted(
        connection.execute(
            select(task.c.assigned_at - task.c.queued_at)
            .where(task.c.site_id == site_id, task.c.assigned_at > now - DAY_MS)
            .order_by(task.c.assigned_at.desc())
            .limit(50)
        ).scalars()
    )
    if len(waits) < ESTIMATE_LEAST:
        return None
    return round(waits[len(waits) // 2] / 1000)
