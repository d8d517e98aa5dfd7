"""What the shop tells late, and what it corrects: labels by orders of their time, purchases by cancellations.

An outcome is never changed. A correction is a new row that supersedes the one which holds now, learnt when it was learnt; so a
training set as of a moment before it stays the same, and the next one has the label as it is now. A return corrects nothing: who
sends something back did come back, and its refund is an outcome of its own. What somebody has corrected by hand or by the API stays
as they said.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, case, exists, literal, or_, select

from assistant.storage.tables import contact, decision, orders, outcome

DAY_MS: Final = 86_400_000
BATCH: Final = 500
LATE_DAYS: Final = 180  # so long after a label has matured, it is still corrected

_correction = outcome.alias("correction")


def came_back(site_id: str, window: int) -> ColumnElement[bool]:
    """Whether the customer of a decision ordered within `window` days, in a query over `decision` and `contact`."""
    return exists().where(
        orders.c.site_id == site_id,
        orders.c.external_customer_id == contact.c.external_id,
        orders.c.status != "cancelled",
        orders.c.ts_event > decision.c.ts_decision,
        orders.c.ts_event <= decision.c.ts_decision + window * DAY_MS,
    )


def labels(
    connection: Connection, site_id: str, over: int, window: int, after: tuple[int, str]
) -> tuple[list[dict[str, Any]], tuple[int, str]]:
    """Labels that matured and are not true any more, at most a batch beyond the place `after` (time and id of a decision).

    `over`: UTC ms until which windows have matured. Gives arguments of `record`, and the place to go on from.
    """
    since, last = after
    since = max(since, over - LATE_DAYS * DAY_MS)
    back = case((came_back(site_id, window), 1.0), else_=0.0)
    rows = connection.execute(
        select(
            decision.c.id, decision.c.ts_decision, outcome.c.id.label("label"), outcome.c.value, outcome.c.matures_at
        )
        .join(outcome, outcome.c.decision_id == decision.c.id)
        .join(contact, (contact.c.site_id == decision.c.site_id) & (contact.c.customer_key == decision.c.customer_key))
        .where(
            decision.c.site_id == site_id,
            decision.c.ts_decision >= since,
            or_(decision.c.ts_decision > since, decision.c.id > last),
            decision.c.ts_decision <= over,
            outcome.c.type == f"inactive_{window}",
            outcome.c.source == "system",
            outcome.c.value == back,  # 1 says that nothing was ordered
            ~exists().where(_correction.c.decision_id == decision.c.id, _correction.c.supersedes == outcome.c.id),
        )
        .order_by(decision.c.ts_decision, decision.c.id)
        .limit(BATCH)
    ).all()
    found = [
        {
            "site_id": site_id,
            "idempotency_key": f"inactive_{window}:{row.id}:{row.label}",
            "type": f"inactive_{window}",
            "source": "system",
            "ts_event": row.ts_decision + window * DAY_MS,
            "decision_id": row.id,
            "value": 1.0 - row.value,
            "matures_at": row.matures_at,
            "label": {"why": "order_told_late" if row.value == 1.0 else "order_cancelled"},
            "supersedes": row.label,
        }
        for row in rows
    ]
    return found, (rows[-1].ts_decision, rows[-1].id) if rows else after


def purchases(connection: Connection, site_id: str, after: str) -> tuple[list[dict[str, Any]], str]:
    """Purchases whose order was cancelled afterwards: worth nothing. At most a batch beyond the order number `after`."""
    rows = connection.execute(
        select(orders.c.order_no, outcome.c.id, outcome.c.ts_event, outcome.c.customer_key, outcome.c.currency)
        .join(
            outcome,
            and_(
                outcome.c.site_id == orders.c.site_id,
                outcome.c.idempotency_key == literal("order:") + orders.c.order_no,
            ),
        )
        .where(
            orders.c.site_id == site_id,
            orders.c.order_no > after,
            orders.c.status == "cancelled",
            ~exists().where(
                _correction.c.customer_key == outcome.c.customer_key, _correction.c.supersedes == outcome.c.id
            ),
        )
        .order_by(orders.c.order_no)
        .limit(BATCH)
    ).all()
    found = [
        {
            "site_id": site_id,
            "idempotency_key": f"cancelled:{row.id}",
            "type": "purchase",
            "source": "import",
            "ts_event": row.ts_event,
            "customer_key": row.customer_key,
            "value": 0.0,
            "currency": row.currency,
            "label": {"why": "order_cancelled"},
            "supersedes": row.id,
        }
        for row in rows
    ]
    return found, rows[-1].order_no if rows else after
