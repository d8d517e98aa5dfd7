"""The rows that a turn leaves in the log: score, vectors, and what a decision row says besides the decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, insert, update

from assistant.ids import new_id
from assistant.policy import rules, unusual
from assistant.policy.types import DecisionContext, Option
from assistant.storage.tables import conversation, score, turn_vector
from assistant.turns import context
from assistant.turns.context import Turn
from assistant.turns.inference import Reading
from assistant.turns.look import Look, unhappy_replies
from assistant.turns.options import Found, relevance
from assistant.turns.ports import Unavailable
from retrieval.documents import Band, kind_of
from risk.anomaly.detector import Detector, Judgement
from risk.types import RiskScore


@dataclass(frozen=True, slots=True)
class Evidence:
    """What models and retrieval brought for a turn, good or bad."""

    reading: Reading
    found: Found
    model: str
    fingerprint: str
    model_ms: float
    worked_ms: float
    writer: str = "template"  # who put the reply into words
    unworded: str | None = None  # why a writer that was asked has not

    @property
    def score(self) -> RiskScore | None:
        """The score, when there is one."""
        return None if isinstance(self.reading.score, Unavailable) else self.reading.score

    @property
    def band(self) -> Band:
        """The band that decides; low when there is no score, so that nothing is given away on a guess."""
        return "low" if self.score is None else self.score.band

    @property
    def degraded(self) -> tuple[str, ...]:
        """What was missing, by its reason."""
        reasons = [
            part.reason for part in (self.reading.turn_vector, self.reading.score) if isinstance(part, Unavailable)
        ]
        reasons += [why for why in (self.found.unavailable, self.unworded) if why is not None]
        return tuple(dict.fromkeys(reasons))


def decision_columns(turn: Turn, evidence: Evidence, now: int) -> dict[str, Any]:
    """The columns of `decision` that do not depend on what was decided."""
    found = evidence.score
    return {
        "site_id": turn.site["id"],
        "conversation_id": turn.job.conversation_id,
        "seq": turn.job.seq,
        "customer_key": turn.contact["customer_key"],
        "ts_decision": now,
        "channel": turn.conversation["channel"],
        "locale": turn.language,
        "consent": dict(turn.contact["attributes"].get("consent", {})),
        "as_of": turn.at,
        "score_raw": None if found is None else found.churn_raw,
        "score": None if found is None else found.churn,
        "low": None if found is None else found.low,
        "high": None if found is None else found.high,
        "band": None if found is None else found.band,
        "reasons": reasons(found),
        "shadow": [{"version": s.version, "score": s.score, "ms": s.ms} for s in evidence.reading.shadow],
        "latency_ms": evidence.worked_ms,
        "degraded": list(evidence.degraded),
    }


def write_score(connection: Connection, turn: Turn, evidence: Evidence, now: int) -> None:
    """The one score row of a turn; churn null and `unavailable` set when there was none. The conversation shows the last one."""
    found = evidence.score
    row: dict[str, Any] = {
        "id": new_id(),
        "conversation_id": turn.job.conversation_id,
        "seq": turn.job.seq,
        "model_version": evidence.model,
        "as_of": turn.at,
        "latency_ms": evidence.model_ms,
        "created_at": now,
    }
    if found is None:
        reason = evidence.reading.score.reason if isinstance(evidence.reading.score, Unavailable) else "unknown"
        connection.execute(insert(score), row | {"unavailable": reason[:80]})
        return
    row |= {
        "churn": found.churn,
        "churn_raw": found.churn_raw,
        "low": found.low,
        "high": found.high,
        "dissatisfaction": found.dissatisfaction,
        "need_human": found.need_human,
        "band": found.band,
        "reasons": reasons(found),
        "drivers": drivers(found, context.heard_seqs(connection, turn.job.conversation_id, turn.job.seq)),
        "features": dict(found.features),
        "versions": dict(found.versions),
        "cold_start": found.cold_start,
    }
    connection.execute(insert(score), row)
    connection.execute(
        update(conversation)
        .where(conversation.c.id == turn.job.conversation_id)
        .values(risk=found.churn, band=found.band, reasons=reasons(found))
    )


def drivers(found: RiskScore, heard: Sequence[int]) -> list[dict[str, Any]]:
    """Drivers for the log. The model counts the messages that it heard from 1; the log names a turn by its event's seq."""
    rows = []
    for driver in found.drivers:
        row = {"kind": driver.kind, "code": driver.code, "effect": driver.effect, "value": driver.value}
        if driver.seq is not None and 0 < driver.seq <= len(heard):
            row["seq"] = heard[driver.seq - 1]
        rows.append(row)
    return rows


def write_vectors(connection: Connection, turn: Turn, evidence: Evidence) -> None:
    """Keeps the vectors made now, so that the state can be rebuilt without encoding anything again."""
    embedded = evidence.reading.embedded
    if not embedded:
        return
    # A vector of another encoder may stand in the way.
    connection.execute(
        delete(turn_vector).where(
            turn_vector.c.conversation_id == turn.job.conversation_id, turn_vector.c.seq.in_(list(embedded))
        )
    )
    connection.execute(
        insert(turn_vector),
        [
            {
                "conversation_id": turn.job.conversation_id,
                "seq": seq,
                "fingerprint": evidence.fingerprint,
                "vector": np.asarray(vector, dtype="<f4").tobytes(),
            }
            for seq, vector in embedded.items()
        ],
    )


def reasons(found: RiskScore | None) -> list[dict[str, Any]]:
    return [] if found is None else [{"reason": reason, "probability": p} for reason, p in found.reasons]


def features(
    turn: Turn, evidence: Evidence, seen: Look, *, customer_value: int, judged: Judgement | None = None
) -> dict[str, float | None]:
    """What the decision sees: the model's history features and the policy's own inputs, prefixed `policy.`."""
    found = evidence.score
    served: dict[str, float | None] = {} if found is None else dict(found.features)
    dissatisfaction = None if found is None else found.dissatisfaction
    unusual_behaviour = {} if judged is None else unusual.as_features(judged)
    return (
        served
        | unusual_behaviour
        | {
            "policy.customer_value": customer_value,
            "policy.dissatisfaction": dissatisfaction,
            "policy.need_human": None if found is None else found.need_human,
            "policy.clarifies": seen.clarifies,
            "policy.unhappy_replies": unhappy_replies(seen, dissatisfaction, turn.repeats),
            "policy.agents_available": seen.agents_available,
            "policy.queue_length": seen.queue_length,
            "policy.verified": float(turn.contact["verified"]),
            "policy.best_relevance": max((relevance(candidate) for candidate in evidence.found.scripts), default=0.0),
        }
    )


def fairness(turn: Turn, nudge: float) -> dict[str, float | None]:
    """How offer rates stood when it was decided, and what that added to an offer's worth; nothing without a rule."""
    if turn.standing is None:
        return {}
    return {
        "policy.fairness.gap": turn.standing.gap,
        "policy.fairness.ahead": turn.standing.ahead,
        "policy.fairness.nudge": nudge,
    }


def group(turn: Turn) -> dict[str, str]:
    """The shop's rule on offer rates, and the group that the shop counts the customer to."""
    return {} if turn.standing is None else {"fairness": str(turn.standing.rule), "group": turn.standing.group}


def versions(
    evidence: Evidence, policy: str, weighed: DecisionContext, detector: Detector | None = None
) -> dict[str, str]:
    found = {} if evidence.score is None else dict(evidence.score.versions)
    if detector is not None:
        found["anomaly"] = detector.version
    return found | {
        "model": evidence.model,
        "encoder": evidence.fingerprint,
        "index": evidence.found.index,
        "policy": policy,
        "writer": evidence.writer,
        "thresholds": f"clear={rules.CLEAR} need_human={rules.NEED_HUMAN} loop={rules.LOOP_LIMIT}",
        "temperature": repr(weighed.temperature),
    }


def candidates(found: Found, table: Sequence[Option]) -> list[dict[str, Any]]:
    """What was retrieved, with the action that each would have become."""
    by_document = {option.document_id: option for option in table if option.document_id is not None}
    rows = []
    for candidate in (*found.scripts, *found.products, *found.articles):
        option = by_document.get(candidate.id)
        kind = kind_of(candidate.document)
        rows.append(
            {
                "id": candidate.id,
                "kind": kind,
                "rank": candidate.rank,
                "score": candidate.score,
                "sources": dict(candidate.sources),
                "why": list(candidate.why),
                "action": None if option is None else option.key,
                "treatment": option is not None and option.treatment,
                **({} if candidate.passage is None else {"passage": asdict(candidate.passage)}),
            }
        )
    retrieved = {candidate.id for candidate in found.scripts}
    for option in table:
        if option.document_id is not None and option.document_id not in retrieved:
            rows.append({"id": option.document_id, "kind": "script", "action": option.key, "treatment": False})
    return rows
