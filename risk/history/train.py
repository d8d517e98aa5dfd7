"""Training of the history model: every earlier buyer at moments 15 days apart, labelled by what the following days brought.

Two boosters share the work: one learns who bought nothing in the whole label window, one who bought nothing in the first third of
it. The second is the weaker question but knows newer customers: its windows are over two thirds of a window earlier. Their mean
logit ranks better than either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from risk.calibration import Curve, fit_curve, sigmoid
from risk.errors import DataRefused
from risk.history.features import DAY, DIRECTIONS, FEATURES, LEARNT, WIDTH, features
from risk.history.model import Boosters, HistoryModel
from risk.metrics import auc, average_precision, brier, calibration_error
from risk.types import History

STEP_DAYS = 15  # between snapshots
MIN_PAST_DAYS = 60  # a snapshot needs some past to describe
MOST_SNAPSHOTS = 24  # with a whole window: a year of them; what is older tells less of the shop as it is
LEAST_CUSTOMERS = 50
FOLDS = 5
ROUNDS = 300
PARAMETERS: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.03, "num_leaves": 8, "min_data_in_leaf": 80, "feature_fraction": 0.6,
    "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 10.0, "extra_trees": True, "num_threads": 1,
    "deterministic": True, "force_row_wise": True, "verbosity": -1, "monotone_constraints": list(DIRECTIONS),
}  # fmt: skip
_LEARNT = np.array([FEATURES.index(name) for name in LEARNT])


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Rows of customers at moments. `x` float64 [n, WIDTH]; `gap`: days to the next purchase, infinite where none is known."""

    x: NDArray[np.float64]
    gap: NDArray[np.float64]
    customer: NDArray[np.int64]
    as_of: NDArray[np.int64]

    def where(self, mask: NDArray[np.bool_]) -> Snapshots:
        """The rows that a mask keeps."""
        return Snapshots(*(getattr(self, field.name)[mask] for field in fields(self)))

    def left(self, days: int) -> NDArray[np.float64]:
        """1 for those who bought nothing within so many days. Only for rows whose window is over, see `over`."""
        return (self.gap > days).astype(np.float64)

    def over(self, days: int, now: int) -> Snapshots:
        """The rows whose window of so many days was over by `now` (UTC milliseconds)."""
        return self.where(self.as_of + days * DAY <= now)


def span(histories: Mapping[str, History]) -> tuple[int, int]:
    """First and last purchase in the data, UTC milliseconds."""
    times = [o.ts_event for h in histories.values() for o in h.orders]
    return min(times), max(times)


def snapshots(
    histories: Mapping[str, History], moments: list[int], progress: Callable[[int, int], None] | None = None
) -> Snapshots:
    """Every customer with a purchase before a moment, at that moment, by the moments' order."""
    rows: list[NDArray[np.float64]] = []
    gaps: list[float] = []
    customers: list[int] = []
    stamps: list[int] = []
    times = [np.sort([o.ts_event for o in history.orders]) for history in histories.values()]
    for done, as_of in enumerate(moments, start=1):
        for number, history in enumerate(histories.values()):
            before = int(np.searchsorted(times[number], as_of, side="right"))
            if before == 0:
                continue
            rows.append(features(history, as_of))
            later = times[number][before:]
            gaps.append((int(later[0]) - as_of) / DAY if len(later) else np.inf)
            customers.append(number)
            stamps.append(as_of)
        if progress is not None:
            progress(done, len(moments))
    if not rows:
        return Snapshots(np.empty((0, WIDTH)), np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    return Snapshots(np.stack(rows), np.array(gaps), np.array(customers), np.array(stamps))


def windows(horizon_days: int) -> tuple[int, int]:
    """The label window and its first third, in days."""
    return horizon_days, max(1, horizon_days // 3)


def moments(histories: Mapping[str, History], horizon_days: int, last: int | None = None) -> list[int]:
    """Snapshot times, ascending, whose windows of any length are over by `last` (default: the end of the data)."""
    first, end = span(histories)
    end = end if last is None else last
    oldest = first + MIN_PAST_DAYS * DAY
    if end - horizon_days * DAY < oldest:
        raise DataRefused(
            f"the transactions span {(end - first) // DAY} days; training needs {MIN_PAST_DAYS} days of past and "
            f"{horizon_days} days of outcome"
        )
    # From the newest whole window back, and forward from it to the newest third of one.
    newest, step = end - horizon_days * DAY, STEP_DAYS * DAY
    ahead = range(newest + step, end - windows(horizon_days)[1] * DAY + 1, step)
    return [*list(range(newest, oldest - 1, -step))[:MOST_SNAPSHOTS][::-1], *ahead]


def fit_booster(x: NDArray[np.float64], y: NDArray[np.float64], seed: int) -> lgb.Booster:
    """One seeded LightGBM model of feature rows [n, WIDTH]."""
    data = lgb.Dataset(x[:, _LEARNT], y, feature_name=list(LEARNT), free_raw_data=False)
    return lgb.train({**PARAMETERS, "seed": seed}, data, num_boost_round=ROUNDS)


def fit_boosters(rows: Snapshots, horizon_days: int, now: int, seed: int) -> Boosters:
    """A booster for each of the `windows`, from the rows whose window was over by `now`."""
    members = []
    for days in windows(horizon_days):
        known = rows.over(days, now)
        members.append(fit_booster(known.x, known.left(days), seed))
    return Boosters(members)


@dataclass(frozen=True, slots=True)
class TrainedHistory:
    """A trained history branch with its out-of-fold figures."""

    booster: str
    curve: Curve
    base_rate: float
    base_interval: tuple[float, float]
    population: NDArray[np.float64]  # calibrated out-of-fold probabilities of the newest snapshot: for the bands
    metrics: dict[str, float]
    description: dict[str, Any]
    rows: Snapshots  # what it learnt the whole window from

    def model(self) -> HistoryModel:
        """As it will be served."""
        return HistoryModel(self.booster, self.curve, self.base_rate, self.base_interval)


def train(
    histories: Mapping[str, History],
    horizon_days: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
    now: int | None = None,
) -> TrainedHistory:
    """Fit on all snapshots; calibrate on predictions out of fold by customer; report the newest snapshot out of fold.

    `now`: when the histories were read (UTC milliseconds), the last purchase by default; outcomes up to then are known.
    Raises `DataRefused`.
    """
    end = span(histories)[1] if now is None else now
    times = moments(histories, horizon_days, end)
    if len(histories) < LEAST_CUSTOMERS:
        raise DataRefused(f"{len(histories)} customers are too few to learn from: it takes {LEAST_CUSTOMERS}")
    rows = snapshots(histories, times, progress)
    whole = rows.over(horizon_days, end)
    y = whole.left(horizon_days)
    if len(np.unique(y)) < 2:
        raise DataRefused("every customer has the same outcome: nothing can be learnt from these transactions")
    fold_of = np.random.default_rng(seed).permutation(len(histories)) % FOLDS
    out = np.empty(len(y))
    for k in range(FOLDS):
        boosters = fit_boosters(rows.where(fold_of[rows.customer] != k), horizon_days, end, seed)
        held = fold_of[whole.customer] == k
        out[held] = sigmoid(boosters.logits(whole.x[held]))
    curve = fit_curve(out, y, whole.customer, seed=seed, blocks=whole.as_of)
    labelled = np.unique(whole.as_of)
    newest = whole.as_of == labelled[-1]
    calibrated = np.array([curve.apply(s)[0] for s in out[newest]])
    rates = [float(y[whole.as_of == t].mean()) for t in labelled]
    metrics = {
        "auc": auc(out[newest], y[newest]),
        "ap": average_precision(out[newest], y[newest]),
        "brier": brier(calibrated, y[newest]),
        "ece": calibration_error(calibrated, y[newest]),
        "recency_auc": auc(whole.x[newest, 0], y[newest]),
    }
    return TrainedHistory(
        booster=fit_boosters(rows, horizon_days, end, seed).text,
        curve=curve,
        base_rate=float(np.mean(rates)),
        base_interval=(float(min(rates)), float(max(rates))),
        population=calibrated,
        metrics=metrics,
        description={
            "customers": len(histories),
            "snapshots": [datetime.fromtimestamp(t / 1000, UTC).date().isoformat() for t in labelled],
            "rows": len(y),
            "horizon_days": horizon_days,
            "split": f"{FOLDS} folds by customer; figures are those of the newest snapshot, out of fold",
        },
        rows=whole,
    )
