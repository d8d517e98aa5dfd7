"""How many customers stay away, told from a log that does not know the end of every story yet.

Whether a customer orders again within W days after a conversation is known at W plus the lag of the shop's data; that one *did*
order is known at once. Who takes everybody without an order for lost calls the newest customers lost; who counts only what is known
already does the opposite. Two rules are right:

- **matured**: only conversations whose window and lag are over. Exact, and W days old.
- **weighted**: each conversation tells as many days as have passed (Kaplan and Meier, 1958): the chance of staying away for W days
  is the product over days of staying away one more, so the young stand in for themselves by the days that they have. This is
  weighting by the inverse of the chance of being observed that long, and supposes that when somebody wrote says nothing about
  whether they come back.

Intervals come from a bootstrap over customers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk.metrics import Figure, bootstrap

DAY: Final = 86_400_000

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Spell:
    """One conversation: when it ended, and the first order after it (UTC ms; None: none yet)."""

    customer: str
    ended_at: int
    ordered_at: int | None


@dataclass(frozen=True, slots=True)
class Rates:
    """Share of conversations after which nothing was ordered for W days, by four rules. None where a rule has no conversation."""

    n: int
    n_matured: int
    naive: Figure  # no order yet: lost
    known: Figure | None  # of those whose outcome is known already, one way or the other
    matured: Figure | None
    weighted: Figure


def rates(spells: Sequence[Spell], now: int, *, horizon_days: int, lag_days: int, seed: int = 0) -> Rates:
    """As told at `now` (UTC ms), when orders of the last `lag_days` are not all known yet. Raises ValueError without spells."""
    if not spells:
        raise ValueError("no conversation to tell from")
    seen_until = now - lag_days * DAY
    ended = np.asarray([spell.ended_at for spell in spells], np.int64)
    ordered = np.asarray([np.inf if s.ordered_at is None else s.ordered_at for s in spells], np.float64)
    came = (ordered <= seen_until) & (ordered <= ended + horizon_days * DAY)
    over = ended + horizon_days * DAY <= seen_until
    days = np.clip(np.where(came, ordered - ended, seen_until - ended) / DAY, 0.0, horizon_days)
    customer = np.asarray([spell.customer for spell in spells])

    def share(rows: Ints) -> float:
        return float(1.0 - came[rows].mean()) if rows.size else float("nan")

    def within(mask: NDArray[np.bool_]) -> Figure | None:
        kept = np.flatnonzero(mask)
        if not kept.size:
            return None
        return bootstrap(lambda rows: share(kept[rows]), customer[kept], seed=seed)

    return Rates(
        n=len(spells),
        n_matured=int(over.sum()),
        naive=bootstrap(share, customer, seed=seed),
        known=within(came | over),
        matured=within(over),
        weighted=bootstrap(lambda rows: staying_away(days[rows], came[rows], horizon_days), customer, seed=seed),
    )


def staying_away(days: Floats, came: NDArray[np.bool_], horizon_days: float) -> float:
    """Kaplan–Meier estimate of no event within `horizon_days`. `days` [n] until the event, or observed without one."""
    order = np.argsort(days, kind="stable")
    times, events = days[order], came[order].astype(np.float64)
    at_risk = len(times) - np.searchsorted(times, times, side="left")  # those observed at least so long
    inside = (events > 0) & (times <= horizon_days)
    moments, first, count = np.unique(times[inside], return_index=True, return_counts=True)
    if not moments.size:
        return 1.0
    return float(np.prod(1.0 - count / at_risk[inside][first]))
