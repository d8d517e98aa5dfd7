"""Turn jobs: the durable to-do list of contact messages that wait for a score, a decision and a reply.

A job is pending → leased → done. It is written in the transaction that stores the message, and finished in the transaction
that stores the reply, so that a crash at any moment leaves either a job that is tried again or a reply that is there.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from assistant.storage.tables import turn_job


def enqueue(connection: Connection, conversation_id: str, seq: int, now: int) -> None:
    """Puts the contact message `seq` on the list, to be taken at once. Idempotent; a finished job stays finished."""
    known = connection.execute(
        select(turn_job.c.state).where(turn_job.c.conversation_id == conversation_id, turn_job.c.seq == seq)
    ).first()
    if known is not None:
        return
    connection.execute(
        insert(turn_job).values(
            conversation_id=conversation_id, seq=seq, state="pending", attempts=0, not_before=now, created_at=now
        )
    )
