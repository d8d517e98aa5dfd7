"""What could be done about a churn rate that drifts: calibration error of the history model at several dates, with its level

left alone    as it is served
last          moved by what the newest finished window showed
trend         moved along the trend of all finished windows (shrunken regression on time)
known         moved to the rate that came: what only hindsight allows

python benchmarks/risk_drift.py transactions.csv.gz --as-of 2011-05-17 --as-of 2011-06-01 --horizon 90 [--json]
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk.calibration import logit, sigmoid
from risk.history import transactions
from risk.history.evaluate import until
from risk.history.features import DAY
from risk.history.train import snapshots, train
from risk.metrics import calibration_error

MONTH = 30 * DAY
RIDGE = 1.0  # months², beside the variance of the windows' times: few windows make no trend

Floats = NDArray[np.float64]


def level(p: Floats, y: Floats) -> float:
    """The shift of the logits that makes the mean probability the observed rate, by bisection."""
    low, high = -6.0, 6.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(logit(p) + middle).mean() < y.mean() else (low, middle)
    return low


def at(histories: dict[str, Any], as_of: int, horizon: int, seed: int) -> dict[str, float]:
    """Calibration error of each remedy at one date (UTC milliseconds)."""
    past = {name: cut for name, history in histories.items() if (cut := until(history, as_of)).orders}
    trained = train(past, horizon, seed, now=as_of)
    now = snapshots({name: histories[name] for name in past}, [as_of])
    y = now.left(horizon)

    def calibrated(x: Floats) -> Floats:
        return np.array([trained.curve.apply(s)[0] for s in trained.model().raw(x)])

    p, before = calibrated(now.x), trained.rows
    known, labels = calibrated(before.x), before.left(horizon)
    windows = np.unique(before.as_of)
    shifts = np.array([level(known[before.as_of == w], labels[before.as_of == w]) for w in windows])
    times = (windows - as_of) / MONTH
    slope = float(((times - times.mean()) * (shifts - shifts.mean())).mean() / (times.var() + RIDGE))
    moves = {
        "left alone": 0.0,
        "last": float(shifts[-1]),
        "trend": float(shifts.mean() - slope * times.mean()),
        "known": level(p, y),
    }
    return {name: calibration_error(sigmoid(logit(p) + move), y) for name, move in moves.items()}


def main() -> None:
    """A line a date, and the mean."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--as-of", action="append", required=True, type=datetime.fromisoformat)
    parser.add_argument("--horizon", type=int, default=90, help="days")
    parser.add_argument("--map", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    histories = transactions.read(given.file, transactions.parse_mapping(given.map))
    found = {
        day.date().isoformat(): at(
            histories, int(day.replace(tzinfo=UTC).timestamp() * 1000), given.horizon, given.seed
        )
        for day in given.as_of
    }
    names = list(next(iter(found.values())))
    found["mean"] = {name: float(np.mean([row[name] for row in found.values()])) for name in names}
    if given.json:
        print(json.dumps(found))
        return
    print(f"{'ECE':12}" + "".join(f"{name:>12}" for name in names))
    for day, row in found.items():
        print(f"{day:12}" + "".join(f"{row[name]:12.3f}" for name in names))


if __name__ == "__main__":
    main()
