"""Learning what is usual: the tails of each signal over customers who have lately bought, at moments 15 days apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk.anomaly.detector import PRIORS, Detector, Tail
from risk.anomaly.signals import DAY, SIGNALS, signals
from risk.errors import DataRefused
from risk.types import History

Floats = NDArray[np.float64]

STEP_DAYS: Final = 15
MIN_PAST_DAYS: Final = 60
LATELY_DAYS: Final = 30  # who writes to a shop has most often just bought
LEAST_ROWS: Final = 200
POINTS: Final = 64  # of a table, at most
PRIOR_REACH: Final = 9  # scales after which a prior tail falls no more


def population(histories: Mapping[str, History], now: int) -> tuple[Floats, NDArray[np.int64]]:
    """Rows of signals [n, len(SIGNALS)] and the customer's number [n]: who had bought in the 30 days before each moment."""
    first = min((o.ts_event for h in histories.values() for o in h.orders), default=now)
    rows: list[Floats] = []
    customers: list[int] = []
    for moment in range(now, first + MIN_PAST_DAYS * DAY - 1, -STEP_DAYS * DAY):
        for number, history in enumerate(histories.values()):
            if any(moment - LATELY_DAYS * DAY < o.ts_event <= moment for o in history.orders):
                rows.append(signals(history, moment))
                customers.append(number)
    if not rows:
        return np.empty((0, len(SIGNALS))), np.empty(0, np.int64)
    return np.stack(rows), np.array(customers)


def fit(rows: Floats) -> Detector:
    """Tables from rows of signals [n, len(SIGNALS)]; where a signal never varies, its prior. Raises `DataRefused`."""
    if len(rows) < LEAST_ROWS:
        raise DataRefused(f"{len(rows)} moments of customers who had lately bought are too few: it takes {LEAST_ROWS}")
    tails = {name: tail_of(rows[:, i]) or _prior(name) for i, name in enumerate(SIGNALS)}
    bare = Detector("", tails, Tail(np.zeros(1), np.ones(1)))
    total = tail_of(bare.scores(rows))
    if total is None:
        raise DataRefused("all customers behave alike: nothing is unusual in these transactions")
    tables = json.dumps(Detector("", tails, total).as_json(), sort_keys=True).encode()
    return Detector(hashlib.sha256(tables).hexdigest()[:12], tails, total)


def tail_of(values: Floats) -> Tail | None:
    """The table of a sample; None when it never varies. A share is never 0: as if one more customer had shown the most."""
    known = np.sort(values[~np.isnan(values)])
    if not len(known) or known[0] == known[-1]:
        return None
    points = np.unique(known)
    if len(points) > POINTS:
        # Dense where it matters: at equal steps of the tail's logarithm.
        wanted = len(known) * (1 - np.geomspace(1, 1 / len(known), POINTS))
        points = np.unique(known[np.minimum(wanted.astype(int), len(known) - 1)])
    share = (len(known) - np.searchsorted(known, points, side="left") + 1) / (len(known) + 1)
    return Tail(points, np.minimum(share, 1.0))


def _prior(name: str) -> Tail:
    scale = PRIORS.get(name)
    if scale is None:
        return Tail(np.zeros(1), np.ones(1))
    return Tail(np.array([0.0, PRIOR_REACH * scale]), np.array([1.0, float(np.exp(-PRIOR_REACH))]))
