"""The log's invariants asked again over all that is stored, for `staywell doctor`. Streams; memory does not grow with the log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from assistant.outcomes.invariants import violations
from assistant.policy.draws import seed_for
from assistant.storage.tables import decision, event, outcome, score

BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the log that must not be. `table` and `id` name the row, `code` the invariant."""

    table: str
    id: str
    code: str
    detail: str = ""


def check(connection: Connection, *, secret: bytes | None = None) -> Iterator[Finding]:
    """All findings, decision by decision, then what only the log as a whole can show.

    With the installation's `secret` the seeds themselves are made again too.
    """
    yield from _decisions(connection, secret)
    yield from _turns(connection)
    yield from _outcomes(connection)


def _decisions(connection: Connection, secret: bytes | None) -> Iterator[Finding]:
    last = ""
    while True:
        rows = (
            connection.execute(select(decision).where(decision.c.id > last).order_by(decision.c.id).limit(BATCH))
            .mappings()
            .all()
        )
        if not rows:
            return
        for row in rows:
            for code in violations(dict(row)):
                yield Finding("decision", row["id"], code, f"turn {row['conversation_id']}/{row['seq']}")
            policy = row["versions"].get("policy", "")
            if secret is not None and row["seed"] != seed_for(secret, row["conversation_id"], row["seq"], policy):
                yield Finding("decision", row["id"], "seed", "the seed is not the one that secret and versions give")
        last = rows[-1]["id"]


def _turns(connection: Connection) -> Iterator[Finding]:
    """One decision and one score a turn, both about a contact's message."""
    unscored = (
        select(decision.c.id, decision.c.conversation_id, decision.c.seq, func.count(score.c.id).label("scores"))
        .join(
            score,
            (score.c.conversation_id == decision.c.conversation_id) & (score.c.seq == decision.c.seq),
            isouter=True,
        )
        .group_by(decision.c.id, decision.c.conversation_id, decision.c.seq)
        .having(func.count(score.c.id) == 0)
    )
    for row in connection.execute(unscored):
        yield Finding("decision", row.id, "unscored", f"turn {row.conversation_id}/{row.seq}")
    undecided = (
        select(score.c.id, score.c.conversation_id, score.c.seq)
        .join(
            decision,
            (decision.c.conversation_id == score.c.conversation_id) & (decision.c.seq == score.c.seq),
            isouter=True,
        )
        .where(decision.c.id.is_(None))
    )
    for row in connection.execute(undecided):
        yield Finding("score", row.id, "undecided", f"turn {row.conversation_id}/{row.seq}")
    strange = (
        select(decision.c.id, event.c.sender)
        .join(
            event,
            (event.c.conversation_id == decision.c.conversation_id) & (event.c.seq == decision.c.seq),
        )
        .where(event.c.sender != "contact")
    )
    for row in connection.execute(strange):
        yield Finding("decision", row.id, "not_a_turn", f"the message is from {row.sender.partition(':')[0]}")


def _outcomes(connection: Connection) -> Iterator[Finding]:
    orphans = (
        select(outcome.c.id)
        .join(decision, decision.c.id == outcome.c.decision_id, isouter=True)
        .where(outcome.c.decision_id.is_not(None), decision.c.id.is_(None))
    )
    for row in connection.execute(orphans):
        yield Finding("outcome", row.id, "orphan", "its decision is not in the log")
    early = (
        select(outcome.c.id, outcome.c.ts_event, decision.c.ts_decision)
        .join(decision, decision.c.id == outcome.c.decision_id)
        .where(outcome.c.ts_event < decision.c.ts_decision)
    )
    for row in connection.execute(early):
        yield Finding("outcome", row.id, "before_decision", f"{row.ts_decision - row.ts_event} ms too early")
    corrected = outcome.alias("corrected")
    lost = (
        select(outcome.c.id)
        .join(corrected, corrected.c.id == outcome.c.supersedes, isouter=True)
        .where(outcome.c.supersedes.is_not(None), corrected.c.id.is_(None))
    )
    for row in connection.execute(lost):
        yield Finding("outcome", row.id, "orphan", "it corrects an outcome that is not in the log")
