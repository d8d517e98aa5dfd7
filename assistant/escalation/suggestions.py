"""What agents make of the scripts that are suggested to them: one of the things that the next model learns from."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, insert, select

from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.storage.tables import decision, suggestion_use

SUGGESTED: Final = 3  # scripts of a decision that count as ignored when the agent writes something else


def log_fates(
    connection: Connection, who: Agent, conversation_id: str, seq: int, used: tuple[str, bool] | None, *, now: int
) -> None:
    """Writes down what became of the scripts that the latest decision brought: accepted, edited, or ignored, each once."""
    fates = {} if used is None else {used[0]: "edited" if used[1] else "accepted"}
    candidates = connection.execute(
        select(decision.c.candidates)
        .where(decision.c.conversation_id == conversation_id)
        .order_by(decision.c.seq.desc())
        .limit(1)
    ).scalar()
    known = set(
        connection.execute(
            select(suggestion_use.c.document_id).where(
                suggestion_use.c.conversation_id == conversation_id, suggestion_use.c.agent_id == who.id
            )
        ).scalars()
    )
    for candidate in (candidates or [])[:SUGGESTED]:
        if candidate["kind"] == "script" and candidate["id"] not in known:
            fates.setdefault(candidate["id"], "ignored")
    for document_id, use in fates.items():
        connection.execute(
            insert(suggestion_use).values(
                id=new_id(),
                conversation_id=conversation_id,
                seq=seq,
                agent_id=who.id,
                document_id=document_id,
                use=use,
                at=now,
            )
        )
