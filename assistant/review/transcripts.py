"""One transcript with all that was decided, came of it and was said about it; and the supervisor's own verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, RowMapping, insert, select

from assistant.conversations import store as conversations
from assistant.errors import BadInput
from assistant.escalation import bundle
from assistant.escalation.rendering import Renderer
from assistant.identity import audit
from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.outcomes import store as outcomes
from assistant.policy.unusual import of_features
from assistant.review import scorecards
from assistant.storage.tables import agent, decision, outcome, review

Verdict = Literal["right", "too_late", "not_needed", "wrong_action", "wrong_reason"]

_DECISION: Final = (
    "id",
    "seq",
    "reply_seq",
    "ts_decision",
    "kind",
    "action",
    "eligible",
    "probabilities",
    "values",
    "ineligible",
    "propensity",
    "explored",
    "floor",
    "seed",
    "overrides",
    "holdout",
    "candidates",
    "versions",
    "shadow",
    "latency_ms",
    "degraded",
    "score",
    "low",
    "high",
    "cost",
    "delivered_at",
    "not_delivered",
)
_OUTCOME: Final = (
    "id",
    "decision_id",
    "type",
    "value",
    "currency",
    "label",
    "source",
    "ts_event",
    "ts_ingested",
    "matures_at",
    "supersedes",
)


@dataclass(frozen=True, slots=True)
class NewReview:
    """A verdict on a conversation, or on one of its decisions. `label`: {will_leave?, reasons?, action?}."""

    verdict: Verdict
    decision_id: str | None = None
    label: Mapping[str, Any] | None = None
    comment: str | None = None


def transcript(
    connection: Connection, conversation_id: str, *, site_id: str, now: int, render: Renderer
) -> dict[str, Any]:
    """The bundle plus `decisions`, `outcomes`, `reviews`, `scorecards` and `speakers`, the agents who wrote there.

    Raises Forbidden for a conversation that is not the site's.
    """
    content = bundle.build(connection, conversation_id, site_id=site_id, now=now, render=render)
    made = bundle.decisions_of(connection, conversation_id)
    return content | {
        "decisions": [
            {key: row[key] for key in _DECISION} | {"anomaly": of_features(row["features"], row["overrides"])}
            for row in made
        ],
        "outcomes": _outcomes(connection, conversation_id, [row["id"] for row in made], site_id),
        "reviews": _reviews(connection, conversation_id),
        "scorecards": scorecards.cards_of(connection, conversation_id),
        "speakers": scorecards.speakers(connection, conversation_id),
    }


def add_review(connection: Connection, who: Agent, conversation_id: str, new: NewReview, *, now: int) -> str:
    """Stores a verdict and an outcome of type `review`, from which the next model learns; returns the review's id.

    Raises Forbidden (not the site's conversation) and BadInput `unknown_decision`.
    """
    conversations.get(connection, conversation_id, site_id=who.site_id)
    if new.decision_id is not None:
        of_it = select(decision.c.id).where(
            decision.c.id == new.decision_id, decision.c.conversation_id == conversation_id
        )
        if connection.execute(of_it).first() is None:
            raise BadInput("the conversation has no such decision", code="unknown_decision")
    review_id = new_id()
    label = dict(new.label or {})
    connection.execute(
        insert(review).values(
            id=review_id,
            conversation_id=conversation_id,
            decision_id=new.decision_id,
            agent_id=who.id,
            verdict=new.verdict,
            label=label,
            comment=new.comment,
            at=now,
        )
    )
    outcomes.record(
        connection,
        site_id=who.site_id,
        idempotency_key=f"review:{review_id}",
        type="review",
        source="supervisor",
        ts_event=now,
        now=now,
        decision_id=new.decision_id,
        conversation_id=conversation_id,
        label={"verdict": new.verdict, "by": who.id, **label},
    )
    audit.record(
        connection,
        actor=who.sender,
        action="override",
        object=conversation_id,
        data={"review": review_id, "decision": new.decision_id, "verdict": new.verdict},
        now=now,
    )
    return review_id


def _outcomes(
    connection: Connection, conversation_id: str, decisions: Sequence[str], site_id: str
) -> list[dict[str, Any]]:
    about = (outcome.c.conversation_id == conversation_id) | outcome.c.decision_id.in_(decisions)
    rows = connection.execute(
        select(outcome).where(outcome.c.site_id == site_id, about).order_by(outcome.c.ts_event, outcome.c.id)
    ).mappings()
    return [{key: row[key] for key in _OUTCOME} for row in rows]


def _reviews(connection: Connection, conversation_id: str) -> list[dict[str, Any]]:
    rows: Sequence[RowMapping] = (
        connection.execute(
            select(review, agent.c.name)
            .join(agent, agent.c.id == review.c.agent_id)
            .where(review.c.conversation_id == conversation_id)
            .order_by(review.c.at, review.c.id)
        )
        .mappings()
        .all()
    )
    return [
        {
            "id": row["id"],
            "decision": row["decision_id"],
            "by": row["name"],
            "verdict": row["verdict"],
            "label": row["label"],
            "comment": row["comment"],
            "at": row["at"],
        }
        for row in rows
    ]
