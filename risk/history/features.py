"""History features, point in time: nothing counts that happened, or became known, after `as_of`.

One function serves training and scoring, so that the two cannot drift apart. An unknown value is NaN, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from risk.history.bg_nbd import CDNOW
from risk.types import ContactRecord, History, OrderRecord, ReturnRecord, VisitRecord

DAY = 86_400_000

FEATURES: tuple[str, ...] = (
    "recency_days", "tenure_days", "orders", "orders_30d", "orders_90d", "orders_180d", "spend", "spend_90d", "mean_order",
    "last_order_ratio", "gap_mean", "gap_median", "gap_spread", "overdue_ratio", "last_gap_ratio", "orders_trend",
    "spend_trend", "items_mean", "products_mean", "active_months", "order_rate", "returns", "return_share", "return_days",
    "cancelled_share", "coupon_share", "late_share", "contacts_90d", "escalations_90d", "csat_last", "csat_mean",
    # Kin of the above: the same facts over other windows or against another yardstick. `DRIVERS` names their next of kin.
    "expected_orders", "order_days", "orders_14d", "orders_60d", "orders_fading_30d", "orders_fading_90d", "spend_fading",
    "second_last_days", "third_last_days", "gap_first", "gap_last", "gap_long", "gap_max", "over_last_gap", "over_max_gap",
    "steady_rate", "span_days", "order_first", "order_last", "order_previous", "order_largest", "order_spread",
    "items_last", "items_total", "products_last", "unit_price", "hour_mean", "weekend_share", "returns_90d",
    "returns_per_order", "visits_30d", "visit_days",
)  # fmt: skip
WIDTH = len(FEATURES)
NAN = math.nan
AHEAD_DAYS = 90  # of the purchases expected

# Features that say the same thing share one driver: the sum of their SHAP values is exactly what the thing contributed. Visits
# are learnt where a shop tells of them, but not told: the screens have no words for them.
_KIN: dict[str, tuple[str, ...]] = {
    "overdue_ratio": ("over_last_gap", "over_max_gap"),
    "gap_median": ("gap_mean", "gap_long", "gap_max", "gap_first", "second_last_days", "third_last_days", "span_days"),
    "last_gap_ratio": ("gap_last",),
    "orders": ("order_days",),
    "orders_30d": ("orders_14d",),
    "orders_90d": ("orders_60d", "orders_fading_30d", "orders_fading_90d"),
    "order_rate": ("steady_rate", "expected_orders"),
    "spend_90d": ("spend_fading",),
    "mean_order": ("order_first", "order_largest", "unit_price"),
    "last_order_ratio": ("order_last", "order_previous", "order_spread"),
    "items_mean": ("items_last", "items_total"),
    "products_mean": ("products_last",),
    "returns": ("returns_90d",),
    "return_share": ("returns_per_order",),
}
_UNTOLD = ("visits_30d", "visit_days")
DRIVERS: dict[str, str] = {kin: code for code, kins in _KIN.items() for kin in kins}
DRIVERS |= {name: name for name in FEATURES if name not in DRIVERS and name not in _UNTOLD}

# Which way each fact may move the risk. What passes while nobody orders (the silence grows, the windows empty) may only raise it:
# a longer silence never looks better. A trend does not fit that law (it turns from unknown to known in passing) and is not learnt.
_RAISES = (
    "recency_days",
    "tenure_days",
    "overdue_ratio",
    "over_last_gap",
    "over_max_gap",
    "second_last_days",
    "third_last_days",
)
_LOWERS = (
    "orders_14d", "orders_30d", "orders_60d", "orders_90d", "orders_180d", "orders_fading_30d", "orders_fading_90d", "spend_90d",
    "spend_fading", "expected_orders", "steady_rate", "order_rate",
)  # fmt: skip
LEARNT: tuple[str, ...] = tuple(name for name in FEATURES if name not in ("orders_trend", "spend_trend"))
DIRECTIONS: tuple[int, ...] = tuple((name in _RAISES) - (name in _LOWERS) for name in LEARNT)

T = TypeVar("T", OrderRecord, ReturnRecord, ContactRecord, VisitRecord)


def _known(records: Sequence[T], as_of: int) -> list[T]:
    seen = [r for r in records if r.ts_event <= as_of and r.ts_ingested <= as_of]
    return sorted(seen, key=lambda r: r.ts_event)


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else NAN


def _orders(orders: list[OrderRecord], as_of: int) -> dict[str, float]:
    days = np.array([(as_of - o.ts_event) / DAY for o in orders])
    totals = np.array([max(0, o.total) / 100 for o in orders])
    recency, tenure, spend = float(days.min()), float(days.max()), float(totals.sum())
    now, before = days <= 90, (days > 90) & (days <= 180)
    full = tenure >= 180  # a trend needs two whole windows
    return {
        "recency_days": recency,
        "tenure_days": tenure,
        "orders": len(orders),
        **{f"orders_{width}d": float((days <= width).sum()) for width in (14, 30, 60, 90, 180)},
        **{f"orders_fading_{scale}d": float(np.exp(-days / scale).sum()) for scale in (30, 90)},
        "spend": math.log1p(spend),
        "spend_90d": math.log1p(float(totals[now].sum())),
        "spend_fading": math.log1p(float((totals * np.exp(-days / 60)).sum())),
        "orders_trend": float(now.sum() - before.sum()) if full else NAN,
        "spend_trend": math.log1p(float(totals[now].sum())) - math.log1p(float(totals[before].sum())) if full else NAN,
        "active_months": float(len({int(d // 30) for d in days})),
        "cancelled_share": sum(o.cancelled for o in orders) / len(orders),
        "coupon_share": sum(o.coupon for o in orders) / len(orders),
        "late_share": _late_share(orders, as_of),
        **_rhythm(orders, as_of),
        **_baskets(orders, totals),
    }


def _rhythm(orders: list[OrderRecord], as_of: int) -> dict[str, float]:
    """When they order: gaps between the days on which they did, and the silence since against those."""
    bought = np.unique([o.ts_event // DAY for o in orders])
    gaps = np.diff(bought).astype(float)
    since = as_of / DAY - bought[::-1].astype(float)  # days, latest first
    recency, tenure = (as_of - orders[-1].ts_event) / DAY, (as_of - orders[0].ts_event) / DAY
    repeats, last = len(bought) - 1, float(bought[-1] - bought[0])
    values = {
        "order_days": float(len(bought)),
        "order_rate": len(bought) / max(tenure / 30, 1.0),
        "steady_rate": len(bought) / (tenure + 60) * 30,  # as if one had watched two idle months more
        "span_days": last,
        "expected_orders": float(CDNOW.expected(AHEAD_DAYS, repeats, last, max(float(since[-1]), last))),
        "hour_mean": float(np.mean([o.ts_event % DAY for o in orders])) / 3_600_000,
        "weekend_share": float(np.mean([(o.ts_event // DAY + 3) % 7 >= 5 for o in orders])),
    }
    if not gaps.size:
        return values
    gap, longest = float(gaps.mean()), float(gaps.max())
    values |= {
        "gap_mean": gap,
        "gap_median": float(np.median(gaps)),
        "gap_long": float(np.quantile(gaps, 0.75)),
        "gap_max": longest,
        "gap_first": float(gaps[0]),
        "gap_last": float(gaps[-1]),
        "overdue_ratio": recency / gap,
        "over_last_gap": recency / float(gaps[-1]),
        "over_max_gap": recency / longest,
        "second_last_days": float(since[1]),
    }
    if gaps.size > 1:
        values |= {
            "gap_spread": float(gaps.std()) / gap,
            "last_gap_ratio": float(gaps[-1]) / gap,
            "third_last_days": float(since[2]),
        }
    return values


def _baskets(orders: list[OrderRecord], totals: NDArray[np.float64]) -> dict[str, float]:
    """What they order: sizes in money (logarithms), items and products."""
    mean, units = float(totals.mean()), sum(o.quantity for o in orders)
    values = {
        "mean_order": math.log1p(mean),
        "last_order_ratio": _share(float(totals[-1]), mean),
        "order_first": math.log1p(float(totals[0])),
        "order_last": math.log1p(float(totals[-1])),
        "order_largest": math.log1p(float(totals.max())),
        "items_mean": math.log1p(units / len(orders)),
        "items_last": math.log1p(orders[-1].quantity),
        "items_total": math.log1p(units),
        "products_mean": math.log1p(float(np.mean([o.distinct_products for o in orders]))),
        "products_last": math.log1p(orders[-1].distinct_products),
        "unit_price": math.log1p(float(totals.sum()) / units) if units > 0 else NAN,
    }
    if len(orders) > 1:
        values["order_previous"] = math.log1p(float(totals[-2]))
        values["order_spread"] = _share(float(totals.std()), mean)
    return values


def _late_share(orders: list[OrderRecord], as_of: int) -> float:
    """Of the deliveries that were promised for a day and are over, the share that came later."""
    over = [
        (o.delivered_at, o.promised_at)
        for o in orders
        if o.promised_at is not None and o.delivered_at is not None and o.delivered_at <= as_of
    ]
    return _share(sum(delivered > promised for delivered, promised in over), len(over))


def features(history: History, as_of: int) -> NDArray[np.float64]:
    """float64 [WIDTH] in the order of `FEATURES`; NaN where nothing is known. `as_of` in UTC milliseconds."""
    orders = _known(history.orders, as_of)
    returns = _known(history.returns, as_of)
    contacts = _known(history.contacts, as_of)
    visits = _known(history.visits, as_of)
    values: dict[str, float] = _orders(orders, as_of) if orders else {}
    if history.first_seen_ms is not None and history.first_seen_ms <= as_of:
        values["tenure_days"] = max(values.get("tenure_days", 0.0), (as_of - history.first_seen_ms) / DAY)
    if orders or returns:
        spent = sum(max(0, o.total) for o in orders)
        values["returns"] = float(len(returns))
        values["returns_90d"] = float(sum(as_of - r.ts_event <= 90 * DAY for r in returns))
        values["returns_per_order"] = _share(len(returns), len(orders))
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
    if visits:
        values["visits_30d"] = float(sum(as_of - v.ts_event <= 30 * DAY for v in visits))
        values["visit_days"] = (as_of - visits[-1].ts_event) / DAY
    return np.array([values.get(name, NAN) for name in FEATURES], dtype=np.float64)
