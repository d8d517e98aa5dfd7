"""Churn at a date, by a model that knew only what was known by then, beside the baselines that any shop could have.

    recency     days since the last order
    logistic    logistic regression on recency, frequency and money (logarithms)
    bg_nbd      the purchases that a BG/NBD fitted to the shop expects in the label window
    lightgbm    LightGBM on recency, frequency and money

All are fitted on windows that were over at the date; a logistic regression on earlier windows makes a probability of recency and of
the expected purchases. Intervals are paired: one resample of customers measures everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from risk.calibration import fit_logistic, logit, sigmoid
from risk.errors import DataRefused
from risk.history import bg_nbd
from risk.history.features import DAY, FEATURES
from risk.history.train import STEP_DAYS, Snapshots, TrainedHistory, snapshots, span, train
from risk.metrics import Figure, auc, average_precision, brier, calibration_error
from risk.types import History

Floats = NDArray[np.float64]
Report = Callable[[str, int, int], None]  # stage, done, total

ROUNDS: Final = 300  # resamples of customers
RFM: Final = ("recency_days", "orders", "spend")
METRICS: Final = ("auc", "ap", "brier", "ece")
_PLAIN: Final[dict[str, Any]] = {
    "objective": "binary", "learning_rate": 0.05, "num_leaves": 15, "min_data_in_leaf": 50, "num_threads": 1,
    "deterministic": True, "force_row_wise": True, "verbosity": -1,
}  # fmt: skip


def until(history: History, as_of: int) -> History:
    """The part of a history that was known at `as_of`."""

    def known(record: Any) -> bool:
        return bool(record.ts_event <= as_of and record.ts_ingested <= as_of)

    return History(
        orders=tuple(o for o in history.orders if known(o)),
        returns=tuple(r for r in history.returns if known(r)),
        contacts=tuple(c for c in history.contacts if known(c)),
        visits=tuple(v for v in history.visits if known(v)),
        first_seen_ms=history.first_seen_ms,
    )


def figures(
    histories: Mapping[str, History],
    as_of: int,
    horizon_days: int,
    seed: int,
    *,
    origins: int = 0,
    report: Report = lambda stage, done, total: None,
) -> dict[str, Any]:
    """`{n, churn_rate, auc, ap, brier, ece, baselines, differences}` at `as_of` (UTC milliseconds).

    Each metric comes with its 95 % interval. `differences`: model minus baseline.
    `origins`: the same at so many earlier dates, 15 days apart, as a list under that name.
    Raises `DataRefused` when the file cannot answer.
    """
    answer = _at(histories, as_of, horizon_days, seed, report)
    earlier = [as_of - k * STEP_DAYS * DAY for k in range(origins, 0, -1)]
    if earlier:
        answer["origins"] = []
        for moment in earlier:
            found = _at(histories, moment, horizon_days, seed, report)
            answer["origins"].append({"as_of": datetime.fromtimestamp(moment / 1000, UTC).date().isoformat(), **found})
    return answer


def _at(histories: Mapping[str, History], as_of: int, horizon_days: int, seed: int, report: Report) -> dict[str, Any]:
    _, end = span(histories)
    if as_of + horizon_days * DAY > end + DAY:
        last = datetime.fromtimestamp(end / 1000, UTC).date().isoformat()
        raise DataRefused(f"the transactions end on {last}, before the {horizon_days} days after --as-of are over")
    past = {name: known for name, history in histories.items() if (known := until(history, as_of)).orders}
    if not past:
        raise DataRefused("nobody had bought anything by --as-of")
    stage = f"history as of {datetime.fromtimestamp(as_of / 1000, UTC).date().isoformat()}"
    trained = train(past, horizon_days, seed, lambda done, total: report(stage, done, total), now=as_of)
    now = snapshots({name: histories[name] for name in past}, [as_of])
    return compare(predictions(trained, now, horizon_days), now.left(horizon_days), seed)


def predictions(trained: TrainedHistory, now: Snapshots, horizon_days: int) -> dict[str, tuple[Floats, Floats]]:
    """Scores to rank by and probabilities, of the model and of each baseline, for the rows of `now`."""
    before, y = trained.rows, trained.rows.left(horizon_days)
    raw = trained.model().raw(now.x)
    found = {"model": (raw, np.array([trained.curve.apply(s)[0] for s in raw]))}
    found["recency"] = now.x[:, _place("recency_days")], _logistic(_recency(before.x), y, _recency(now.x))
    p = _logistic(_rfm(before.x), y, _rfm(now.x))
    found["logistic"] = p, p
    people = bg_nbd.fit(*_timing(now.x))
    expected, earlier = (people.expected(horizon_days, *_timing(x)) for x in (now.x, before.x))
    found["bg_nbd"] = -expected, _logistic(_log(earlier), y, _log(expected))
    plain = lgb.train(_PLAIN, lgb.Dataset(_rfm(before.x), y), num_boost_round=100)
    p = np.asarray(plain.predict(_rfm(now.x), num_threads=1), np.float64)
    found["lightgbm"] = p, p
    return found


def compare(found: Mapping[str, tuple[Floats, Floats]], y: Floats, seed: int) -> dict[str, Any]:
    """The answer of `figures` from `predictions` and labels; one row a customer."""
    if len(np.unique(y)) < 2:
        raise DataRefused("every customer has the same outcome after --as-of: there is nothing to tell apart")
    names = list(found)

    def measured(rows: NDArray[np.int64]) -> Floats:
        labels = y[rows]
        return np.array([
            [auc(s[rows], labels), average_precision(s[rows], labels), brier(p[rows], labels), calibration_error(p[rows], labels)]
            for s, p in (found[name] for name in names)
        ])  # fmt: skip

    rng = np.random.default_rng(seed)
    drawn = [rng.integers(0, len(y), len(y)) for _ in range(ROUNDS)]
    values, draws = measured(np.arange(len(y))), np.stack([measured(rows) for rows in drawn])
    rate = Figure(float(y.mean()), *_interval(np.array([y[rows].mean() for rows in drawn])))

    def table(value: Floats, spread: Floats) -> dict[str, Any]:
        return {m: Figure(float(value[i]), *_interval(spread[:, i])).as_json() for i, m in enumerate(METRICS)}

    return {
        "n": len(y),
        "churn_rate": rate.as_json(),
        **table(values[0], draws[:, 0]),
        "baselines": {name: table(values[i], draws[:, i]) for i, name in enumerate(names) if i},
        "differences": {
            name: table(values[0] - values[i], draws[:, 0] - draws[:, i]) for i, name in enumerate(names) if i
        },
    }


def _interval(draws: Floats) -> tuple[float, float]:
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _place(name: str) -> int:
    return FEATURES.index(name)


def _log(values: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(values, 1e-9)))[:, None]


def _recency(x: Floats) -> Floats:
    return np.asarray(np.log1p(x[:, _place("recency_days")]))[:, None]


def _rfm(x: Floats) -> Floats:
    recency, orders, spend = x[:, [_place(name) for name in RFM]].T
    return np.column_stack([np.log1p(recency), np.log(orders), spend])


def _timing(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Repeat purchase days, the last of them and the time observed, in days from the first: what BG/NBD knows of a customer."""
    days, last, tenure = x[:, [_place(name) for name in ("order_days", "span_days", "tenure_days")]].T
    return days - 1, last, np.maximum(tenure, last)


def _logistic(before: Floats, y: Floats, now: Floats) -> Floats:
    """Probabilities [n] by a logistic regression on standardised columns."""
    mean, scale = before.mean(axis=0), before.std(axis=0) + 1e-9

    def design(x: Floats) -> Floats:
        return np.column_stack([(x - mean) / scale, np.ones(len(x))])

    start = np.zeros(before.shape[1] + 1)
    start[-1] = float(logit(y.mean()))
    return sigmoid(design(now) @ fit_logistic(design(before), y, start))
