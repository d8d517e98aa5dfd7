"""Training of the history model: monthly snapshots of every earlier buyer, labelled by what the next 90 days brought."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from risk.calibration import Curve, fit_curve
from risk.errors import DataRefused
from risk.history.features import DAY, FEATURES, WIDTH, features
from risk.history.model import HistoryModel
from risk.metrics import auc, average_precision, brier, calibration_error
from risk.types import History

STEP_DAYS = 15  # between snapshots
MIN_PAST_DAYS = 60  # a snapshot needs some past to describe
FOLDS = 5
ROUNDS = 160
PARAMETERS: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.03, "num_leaves": 8, "min_data_in_leaf": 80, "feature_fraction": 0.6,
    "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 10.0, "num_threads": 1, "deterministic": True,
    "force_row_wise": True, "verbosity": -1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Rows of customers at moments. `x` float64 [n, WIDTH], `y` 1 = bought nothing in (as_of, as_of + horizon]."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    customer: NDArray[np.int64]
    as_of: NDArray[np.int64]

    def where(self, mask: NDArray[np.bool_]) -> Snapshots:
        """The rows that a mask keeps."""
        return Snapshots(self.x[mask], self.y[mask], self.customer[mask], self.as_of[mask])


def span(histories: Mapping[str, History]) -> tuple[int, int]:
    """First and last purchase in the data, UTC milliseconds."""
    times = [o.ts_event for h in histories.values() for o in h.orders]
    return min(times), max(times)


def snapshots(
    histories: Mapping[str, History],
    moments: list[int],
    horizon_days: int,
    progress: Callable[[int, int], None] | None = None,
) -> Snapshots:
    """Every customer with a purchase before a moment, at that moment. The label window must lie inside the data."""
    rows: list[NDArray[np.float64]] = []
    labels: list[float] = []
    customers: list[int] = []
    stamps: list[int] = []
    for done, as_of in enumerate(moments, start=1):
        until = as_of + horizon_days * DAY
        for number, history in enumerate(histories.values()):
            times = [o.ts_event for o in history.orders]
            if not times or min(times) > as_of:
                continue
            rows.append(features(history, as_of))
            labels.append(float(not any(as_of < t <= until for t in times)))
            customers.append(number)
            stamps.append(as_of)
        if progress is not None:
            progress(done, len(moments))
    if not rows:
        return Snapshots(np.empty((0, WIDTH)), np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
    return Snapshots(np.stack(rows), np.array(labels), np.array(customers), np.array(stamps))


def moments(histories: Mapping[str, History], horizon_days: int, last: int | None = None) -> list[int]:
    """Snapshot times, ascending, whose label windows are over by `last` (default: the end of the data)."""
    first, end = span(histories)
    newest = (end if last is None else min(last, end)) - horizon_days * DAY
    oldest = first + MIN_PAST_DAYS * DAY
    found = list(range(newest, oldest - 1, -STEP_DAYS * DAY))[::-1]
    if not found:
        raise DataRefused(
            f"the transactions span {(end - first) // DAY} days; training needs {MIN_PAST_DAYS} days of past and "
            f"{horizon_days} days of outcome"
        )
    return found


def fit_booster(rows: Snapshots, seed: int) -> lgb.Booster:
    """One seeded LightGBM model."""
    data = lgb.Dataset(rows.x, rows.y, feature_name=list(FEATURES), free_raw_data=False)
    return lgb.train({**PARAMETERS, "seed": seed}, data, num_boost_round=ROUNDS)


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

    def model(self) -> HistoryModel:
        """As it will be served."""
        return HistoryModel(self.booster, self.curve, self.base_rate, self.base_interval)


def train(
    histories: Mapping[str, History], horizon_days: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> TrainedHistory:
    """Fit on all snapshots; calibrate on predictions out of fold by customer; report the newest snapshot from earlier ones only."""
    times = moments(histories, horizon_days)
    rows = snapshots(histories, times, horizon_days, progress)
    if len(np.unique(rows.y)) < 2:
        raise DataRefused("every customer has the same outcome: nothing can be learnt from these transactions")
    fold_of = np.random.default_rng(seed).permutation(len(histories)) % FOLDS
    fold = fold_of[rows.customer]
    out = np.empty(len(rows.y))
    for k in range(FOLDS):
        booster = fit_booster(rows.where(fold != k), seed)
        out[fold == k] = booster.predict(rows.x[fold == k], num_threads=1)
    curve = fit_curve(out, rows.y, rows.customer, seed=seed)
    newest = rows.as_of == times[-1]
    calibrated = np.array([curve.apply(s)[0] for s in out[newest]])
    rates = [float(rows.y[rows.as_of == t].mean()) for t in times]
    metrics = {
        "auc": auc(out[newest], rows.y[newest]),
        "ap": average_precision(out[newest], rows.y[newest]),
        "brier": brier(calibrated, rows.y[newest]),
        "ece": calibration_error(calibrated, rows.y[newest]),
        "recency_auc": auc(rows.x[newest, 0], rows.y[newest]),
    }
    return TrainedHistory(
        booster=fit_booster(rows, seed).model_to_string(),
        curve=curve,
        base_rate=float(np.mean(rates)),
        base_interval=(float(min(rates)), float(max(rates))),
        population=calibrated,
        metrics=metrics,
        description={
            "customers": len(histories),
            "snapshots": [datetime.fromtimestamp(t / 1000, UTC).date().isoformat() for t in times],
            "rows": len(rows.y),
            "horizon_days": horizon_days,
            "split": f"{FOLDS} folds by customer; figures are those of the newest snapshot, out of fold",
        },
    )
