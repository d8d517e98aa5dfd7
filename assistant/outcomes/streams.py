"""What comes in over time, one value a conversation, for watching whether it changes: scores, and labels as they mature.

One value a conversation, because the turns of one are alike: a talkative customer is no change of the world.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, exists, select

from assistant.storage.tables import decision, outcome

DAY_MS: Final = 86_400_000
LABEL_DAYS: Final = 30  # of the label that is watched: the soonest known
LABEL: Final = f"inactive_{LABEL_DAYS}"

Stream = list[tuple[int, float]]  # time in UTC ms and value, by time

_later = decision.alias("later")
_LAST = ~exists().where(_later.c.conversation_id == decision.c.conversation_id, _later.c.seq > decision.c.seq)


def scores(connection: Connection, site_id: str, *, since: int, until: int) -> Stream:
    """The last score of each conversation that ended in the period; times are those of the score."""
    rows = connection.execute(
        select(decision.c.ts_decision, decision.c.score)
        .where(
            decision.c.site_id == site_id,
            decision.c.ts_decision >= since,
            decision.c.ts_decision < until,
            decision.c.score.is_not(None),
            _LAST,
        )
        .order_by(decision.c.ts_decision, decision.c.id)
    )
    return [(row.ts_decision, float(row.score)) for row in rows]


def labels(connection: Connection, site_id: str, *, since: int, until: int) -> list[tuple[int, float, float | None]]:
    """Whether customers stayed away (1.0) or came back, of conversations that were left to ordinary service and whose window
    ended in the period: time of its end, the label as it stands after corrections, and the score of the time."""
    window = LABEL_DAYS * DAY_MS
    correction = outcome.alias("correction")
    rows = connection.execute(
        select(decision.c.ts_decision, outcome.c.value, decision.c.score)
        .join(outcome, outcome.c.decision_id == decision.c.id)
        .where(
            decision.c.site_id == site_id,
            decision.c.ts_decision >= since - window,
            decision.c.ts_decision < until - window,
            decision.c.kind.not_in(("offer", "escalate")),
            outcome.c.type == LABEL,
            outcome.c.value.in_((0.0, 1.0)),
            ~exists().where(correction.c.decision_id == decision.c.id, correction.c.supersedes == outcome.c.id),
        )
        .order_by(decision.c.ts_decision, outcome.c.id)
    )
    return [(row.ts_decision + window, float(row.value), row.score) for row in rows]
