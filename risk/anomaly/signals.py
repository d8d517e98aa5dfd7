"""What may look like abuse, point in time: each signal is larger the more of it there is, and NaN where nothing is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.types import History

DAY: Final = 86_400_000
SIGNALS: Final = (
    "order_burst",  # orders of the last 7 days against what was to be expected of the customer's own past
    "orders_week",  # orders of the last 7 days
    "young_orders",  # orders a week of the account's age, a week being the least age
    "returns_month",  # returns of the last 30 days
    "return_share",  # orders that went back, of orders
    "return_money",  # money that went back, of money spent
    "cancelled_share",  # orders that the customer cancelled, of orders
    "coupon_orders",  # orders with a coupon in the last 90 days
    "contacts_month",  # conversations of the last 30 days
    "escalations_quarter",  # conversations of the last 90 days that took a person
)
NAN: Final = math.nan
# Shares of few orders say little: as if there had been so many ordinary orders more.
ORDINARY: Final = 2


def _recent(stamps: Sequence[int], as_of: int, days: float) -> int:
    return sum(as_of - days * DAY < stamp for stamp in stamps)


def signals(history: History, as_of: int) -> NDArray[np.float64]:
    """float64 [len(SIGNALS)]. What happened, or became known, after `as_of` (UTC milliseconds) does not count."""

    def known(records: Sequence[Any]) -> list[Any]:
        return [r for r in records if r.ts_event <= as_of and r.ts_ingested <= as_of]

    orders, returns, contacts = known(history.orders), known(history.returns), known(history.contacts)
    values: dict[str, float] = {}
    if orders:
        stamps = [o.ts_event for o in orders]
        age = max((as_of - min(stamps)) / DAY, 0.0)
        week = _recent(stamps, as_of, 7)
        before = (len(orders) - week) / max(age - 7, 30.0) * 7  # orders a week, until a week ago
        seasoned = len(orders) + ORDINARY
        spent = sum(max(0, o.total) for o in orders)
        values = {
            "order_burst": week / (1 + before),
            "orders_week": float(week),
            "young_orders": len(orders) / max(age / 7, 1.0),
            "returns_month": float(_recent([r.ts_event for r in returns], as_of, 30)),
            "return_share": len({r.order_no for r in returns}) / seasoned,
            "return_money": sum(r.amount for r in returns) / (spent * seasoned / len(orders)) if spent else NAN,
            "cancelled_share": sum(o.cancelled for o in orders) / seasoned,
            "coupon_orders": float(_recent([o.ts_event for o in orders if o.coupon], as_of, 90)),
        }
    if contacts:
        values["contacts_month"] = float(_recent([c.ts_event for c in contacts], as_of, 30))
        values["escalations_quarter"] = float(_recent([c.ts_event for c in contacts if c.escalated], as_of, 90))
    return np.array([values.get(name, NAN) for name in SIGNALS], dtype=np.float64)
