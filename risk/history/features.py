"""History features, point in time: nothing counts that happened, or became known, after `as_of`.

One function serves training and scoring, so that the two cannot drift apart. An unknown value is NaN, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from risk.types import ContactRecord, History, OrderRecord, ReturnRecord

DAY = 86_400_000

FEATURES: tuple[str, ...] = (
    "recency_days", "tenure_days", "orders", "orders_30d", "orders_90d", "orders_180d", "spend", "spend_90d", "mean_order",
    "last_order_ratio", "gap_mean", "gap_median", "gap_spread", "overdue_ratio", "last_gap_ratio", "orders_trend",
    "spend_trend", "items_mean", "products_mean", "active_months", "order_rate", "returns", "return_share", "return_days",
    "cancelled_share", "coupon_share", "late_share", "contacts_90d", "escalations_90d", "csat_last", "csat_mean",
)  # fmt: skip
WIDTH = len(FEATURES)
NAN = math.nan

T = TypeVar("T", OrderRecord, ReturnRecord, ContactRecord)


def _known(records: Sequence[T], as_of: int) -> list[T]:
    seen = [r for r in records if r.ts_event <= as_of and r.ts_ingested <= as_of]
    return sorted(seen, key=lambda r: r.ts_event)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else NAN


def _orders(orders: list[OrderRecord], as_of: int) -> dict[str, float]:
    days = np.array([(as_of - o.ts_event) / DAY for o in orders])
    totals = np.array([max(0, o.total) / 100 for o in orders])
    bought = np.unique([o.ts_event // DAY for o in orders])
    gaps = np.diff(bought).astype(float)
    gap = float(gaps.mean()) if gaps.size else NAN
    recency, tenure, spend = float(days.min()), float(days.max()), float(totals.sum())
    now, before = days <= 90, (days > 90) & (days <= 180)
    delivered = [
        o for o in orders if o.promised_at is not None and o.delivered_at is not None and o.delivered_at <= as_of
    ]
    late = sum(
        o.delivered_at > o.promised_at for o in delivered if o.delivered_at is not None and o.promised_at is not None
    )
    full = tenure >= 180  # a trend needs two whole windows
    return {
        "recency_days": recency,
        "tenure_days": tenure,
        "orders": len(orders),
        "orders_30d": float((days <= 30).sum()),
        "orders_90d": float(now.sum()),
        "orders_180d": float((days <= 180).sum()),
        "spend": math.log1p(spend),
        "spend_90d": math.log1p(float(totals[now].sum())),
        "mean_order": math.log1p(float(totals.mean())),
        "last_order_ratio": _share(float(totals[-1]), float(totals.mean())),
        "gap_mean": gap,
        "gap_median": float(np.median(gaps)) if gaps.size else NAN,
        "gap_spread": float(gaps.std() / gap) if gaps.size > 1 and gap > 0 else NAN,
        "overdue_ratio": _share(recency, gap) if gaps.size else NAN,
        "last_gap_ratio": float(gaps[-1] / gap) if gaps.size > 1 and gap > 0 else NAN,
        "orders_trend": float(now.sum() - before.sum()) if full else NAN,
        "spend_trend": math.log1p(float(totals[now].sum())) - math.log1p(float(totals[before].sum())) if full else NAN,
        "items_mean": math.log1p(float(np.mean([o.quantity for o in orders]))),
        "products_mean": math.log1p(float(np.mean([o.distinct_products for o in orders]))),
        "active_months": float(len({int(d // 30) for d in days})),
        "order_rate": len(bought) / max(tenure / 30, 1.0),
        "cancelled_share": sum(o.cancelled for o in orders) / len(orders),
        "coupon_share": sum(o.coupon for o in orders) / len(orders),
        "late_share": _share(late, len(delivered)),
    }


def features(history: History, as_of: int) -> NDArray[np.float64]:
    """float64 [WIDTH] in the order of `FEATURES`; NaN where nothing is known. `as_of` in UTC milliseconds."""
    orders = _known(history.orders, as_of)
    returns = _known(history.returns, as_of)
    contacts = _known(history.contacts, as_of)
    values: dict[str, float] = _orders(orders, as_of) if orders else {}
    if history.first_seen_ms is not None and history.first_seen_ms <= as_of:
        values["tenure_days"] = max(values.get("tenure_days", 0.0), (as_of - history.first_seen_ms) / DAY)
    if orders or returns:
        spent = sum(max(0, o.total) for o in orders)
        values["returns"] = float(len(returns))
        values["return_share"] = min(_share(sum(r.amount for r in returns), spent), 1.0)
        if returns:
            values["return_days"] = (as_of - returns[-1].ts_event) / DAY
    if contacts:
        recent = [c for c in contacts if as_of - c.ts_event <= 90 * DAY]
        rated = [c.csat for c in contacts if c.csat is not None]
        values["contacts_90d"] = float(len(recent))
        values["escalations_90d"] = float(sum(c.escalated for c in recent))
        if rated:
            values["csat_last"], values["csat_mean"] = float(rated[-1]), float(np.mean(rated))
    return np.array([values.get(name, NAN) for name in FEATURES], dtype=np.float64)
