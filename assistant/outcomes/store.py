"""The outcome side of the log: what happened after a decision, or to a customer. Append-only; a correction is a new row."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from assistant.errors import BadInput, Conflict
from assistant.ids import new_id
from assistant.storage.tables import contact, conversation, decision, outcome

TYPES: Final = frozenset(
    {
        "click",
        "accept",
        "decline",
        "purchase",
        "refund",
        "complaint",
        "csat",
        "disposition",
        "resolved",
        "handoff",
        "return_visit",
        "unsubscribed",
        "inactive_30",
        "inactive_60",
        "inactive_90",
        "review",
        "scorecard",
        "label",
    }
)
SOURCES: Final = frozenset({"widget", "agent", "supervisor", "shop", "import", "system"})
FUTURE_TOLERANCE_MS: Final = 60_000  # clocks of shops differ a little

_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def record(
    connection: Connection,
    *,
    site_id: str,
    idempotency_key: str,
    type: str,  # noqa: A002 — the word of the HTTP contract
    source: str,
    ts_event: int,
    now: int,
    decision_id: str | None = None,
    customer_key: str | None = None,
    conversation_id: str | None = None,
    value: float | None = None,
    currency: str | None = None,
    label: Mapping[str, Any] | None = None,
    attribution_days: int | None = None,
    matures_at: int | None = None,
    supersedes: str | None = None,
) -> str:
    """Appends an outcome and returns its id. The same (site, key) again gives the first one's id.

    An outcome is about a decision or a customer; the customer is looked up from the decision, or from the conversation, when
    it is not given. Raises BadInput (codes `unknown_type`, `unknown_source`, `bad_key`, `bad_value`, `future`,
    `before_decision`, `unknown_decision`, `unknown_outcome`, `about_nobody`), and Conflict(`idempotency_conflict`) when the
    key was used for something else.
    """
    _check(type, source, idempotency_key, value, currency, attribution_days, ts_event, now)
    known = connection.execute(
        select(outcome.c.id, outcome.c.type, outcome.c.value, outcome.c.decision_id).where(
            outcome.c.site_id == site_id, outcome.c.idempotency_key == idempotency_key
        )
    ).first()
    if known is not None:
        if (known.type, known.value, known.decision_id) != (type, value, decision_id):
            raise Conflict("this key was used for another outcome", code="idempotency_conflict")
        return str(known.id)

    if decision_id is not None:
        made = connection.execute(
            select(decision.c.ts_decision, decision.c.customer_key, decision.c.conversation_id).where(
                decision.c.id == decision_id, decision.c.site_id == site_id
            )
        ).first()
        if made is None:
            raise BadInput("no such decision", code="unknown_decision")
        if ts_event < made.ts_decision:
            raise BadInput("an outcome cannot come before its decision", code="before_decision")
        if customer_key is not None and customer_key != made.customer_key:
            raise BadInput("the decision is about another customer", code="unknown_decision")
        customer_key = made.customer_key
        conversation_id = conversation_id or made.conversation_id
    elif customer_key is None and conversation_id is not None:
        customer_key = connection.execute(
            select(contact.c.customer_key)
            .join(conversation, conversation.c.contact_id == contact.c.id)
            .where(conversation.c.id == conversation_id, conversation.c.site_id == site_id)
        ).scalar_one_or_none()
    if decision_id is None and customer_key is None:
        raise BadInput("an outcome needs a decision or a customer", code="about_nobody")
    if supersedes is not None and not _exists(connection, site_id, supersedes):
        raise BadInput("there is no such outcome to correct", code="unknown_outcome")

    outcome_id = new_id()
    connection.execute(
        insert(outcome).values(
            id=outcome_id,
            site_id=site_id,
            idempotency_key=idempotency_key,
            decision_id=decision_id,
            customer_key=customer_key,
            conversation_id=conversation_id,
            type=type,
            value=value,
            currency=currency,
            label=dict(label or {}),
            source=source,
            attribution_days=attribution_days,
            ts_event=ts_event,
            ts_ingested=now,
            matures_at=matures_at,
            supersedes=supersedes,
        )
    )
    return outcome_id


def _check(
    kind: str,
    source: str,
    key: str,
    value: float | None,
    currency: str | None,
    attribution_days: int | None,
    ts_event: int,
    now: int,
) -> None:
    if kind not in TYPES:
        raise BadInput(f"unknown outcome type {kind[:40]!r}; known: {', '.join(sorted(TYPES))}", code="unknown_type")
    if source not in SOURCES:
        raise BadInput(f"unknown outcome source {source[:40]!r}", code="unknown_source")
    if not 1 <= len(key) <= 120:
        raise BadInput("the idempotency key has 1 to 120 characters", code="bad_key")
    if value is not None and not math.isfinite(value):
        raise BadInput("the value is not a finite number", code="bad_value")
    if kind == "csat" and (value is None or value not in (1, 2, 3, 4, 5)):
        raise BadInput("a CSAT rating is 1, 2, 3, 4 or 5", code="bad_value")
    if currency is not None and not _CURRENCY.fullmatch(currency):
        raise BadInput("a currency is three capital letters, as in ISO 4217", code="bad_value")
    if attribution_days is not None and attribution_days < 0:
        raise BadInput("an attribution window has 0 or more days", code="bad_value")
    if ts_event > now + FUTURE_TOLERANCE_MS:
        raise BadInput("the event lies in the future", code="future")
    if ts_event < 0:
        raise BadInput("the event's time is negative; times are UTC milliseconds since 1970", code="bad_value")


def _exists(connection: Connection, site_id: str, outcome_id: str) -> bool:
    return (
        connection.execute(select(outcome.c.id).where(outcome.c.id == outcome_id, outcome.c.site_id == site_id)).first()
        is not None
    )
