"""Turn jobs: the durable to-do list of contact messages that wait for a score, a decision and a reply.

A job is pending → leased → done. It is written in the transaction that stores the message, and finished in the transaction
that stores the reply, so that a crash at any moment leaves either a job that is tried again or a reply that is there. A lease is
fenced by (owner, attempts): whoever lost it cannot finish. Jobs of a conversation run one at a time, in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from assistant.storage.prepared import Prepared
from assistant.storage.tables import turn_job

FIRST_RETRY_MS: Final = 250
LAST_RETRY_MS: Final = 30_000
_ENQUEUE: Final = {
    "sqlite": Prepared(sqlite.insert(turn_job).on_conflict_do_nothing()),
    "postgresql": Prepared(postgresql.insert(turn_job).on_conflict_do_nothing()),
}


@dataclass(frozen=True, slots=True)
class Job:
    """A leased job. `attempts` counts this try."""

    conversation_id: str
    seq: int
    attempts: int
    owner: str
    created_at: int


def enqueue(connection: Connection, conversation_id: str, seq: int, now: int) -> None:
    """Puts the contact message `seq` on the list, to be taken at once. Idempotent; a finished job stays finished."""
    _ENQUEUE[connection.dialect.name].run(
        connection,
        conversation_id=conversation_id,
        seq=seq,
        state="pending",
        attempts=0,
        not_before=now,
        created_at=now,
    )


def waiting(connection: Connection, now: int) -> bool:
    """Whether a job could be leased now. A cheap read that saves idle workers a write."""
    return connection.execute(select(turn_job.c.seq).where(_ready(now)).limit(1)).first() is not None


def open_jobs(connection: Connection) -> int:
    """Jobs that are not done."""
    return len(connection.execute(select(turn_job.c.seq).where(turn_job.c.state.in_(("pending", "leased")))).all())


def lease(connection: Connection, *, owner: str, now: int, lease_ms: int, limit: int) -> list[Job]:
    """Takes up to `limit` jobs for `owner`, the oldest first, the first open one of each conversation only.

    A lease that ran out belongs to nobody and is taken again.
    """
    earlier = turn_job.alias("earlier")
    first_of_its_conversation = ~exists().where(
        earlier.c.conversation_id == turn_job.c.conversation_id,
        earlier.c.seq < turn_job.c.seq,
        earlier.c.state != "done",
    )
    rows = connection.execute(
        select(turn_job)
        .where(_ready(now), first_of_its_conversation)
        .order_by(turn_job.c.not_before, turn_job.c.conversation_id)
        .limit(limit)
    ).all()
    taken = []
    for row in rows:
        moved = connection.execute(
            update(turn_job)
            .where(
                turn_job.c.conversation_id == row.conversation_id,
                turn_job.c.seq == row.seq,
                turn_job.c.state == row.state,
                turn_job.c.attempts == row.attempts,
            )
            .values(state="leased", owner=owner, lease_until=now + lease_ms, attempts=row.attempts + 1)
        ).rowcount
        if moved == 1:
            taken.append(Job(row.conversation_id, row.seq, row.attempts + 1, owner, row.created_at))
    return taken


def renew(connection: Connection, jobs: Iterable[Job], *, now: int, lease_ms: int) -> None:
    """Keeps leases that are still held."""
    for job in jobs:
        connection.execute(update(turn_job).where(_held(job)).values(lease_until=now + lease_ms))


def holds(connection: Connection, job: Job) -> bool:
    """Whether the lease is still this job's. Asked inside the transaction that stores the reply."""
    return connection.execute(select(turn_job.c.seq).where(_held(job))).first() is not None


def finish(connection: Connection, job: Job, *, now: int) -> bool:
    """Marks the job done; False when the lease was lost."""
    done = update(turn_job).where(_held(job)).values(state="done", done_at=now, lease_until=None)
    return connection.execute(done).rowcount == 1


def retry(connection: Connection, job: Job, *, now: int, error: str) -> None:
    """Gives the job back after a failure, to be tried again after a pause that doubles from 250 ms to 30 s."""
    pause = min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** min(job.attempts - 1, 16))
    connection.execute(
        update(turn_job)
        .where(_held(job))
        .values(state="pending", owner=None, lease_until=None, not_before=now + pause, last_error=error[:200])
    )


def release(connection: Connection, job: Job, *, now: int) -> None:
    """Gives an unfinished job back at once, without counting the try: the worker goes away."""
    connection.execute(
        update(turn_job)
        .where(_held(job))
        .values(state="pending", owner=None, lease_until=None, not_before=now, attempts=job.attempts - 1)
    )


def _ready(now: int) -> ColumnElement[bool]:
    return or_(
        and_(turn_job.c.state == "pending", turn_job.c.not_before <= now),
        and_(turn_job.c.state == "leased", turn_job.c.lease_until < now),
    )


def _held(job: Job) -> ColumnElement[bool]:
    return and_(
        turn_job.c.conversation_id == job.conversation_id,
        turn_job.c.seq == job.seq,
        turn_job.c.state == "leased",
        turn_job.c.owner == job.owner,
        turn_job.c.attempts == job.attempts,
    )
