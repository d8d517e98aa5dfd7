"""Our learners of uplift beside those of econml, over the same base models and the same folds of a trial.

    pip install econml
    python -m benchmarks.uplift_econml --data hillstrom.csv.gz --treatment "segment=Womens E-Mail" --control "segment=No E-Mail" \\
        --outcome visit [--json]

For each of S, T, X and DR, over a linear and a tree model: cross-fitted Qini of both, their paired difference with its interval,
the rank correlation of the effects, and processor seconds. econml is given the trial's share as the propensity, as ours takes it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyClassifier

from risk.uplift import trial
from risk.uplift.learners import SINGLE, Bools, Floats, Linear, Model, Trees
from risk.uplift.measure import cross_fit
from risk.uplift.qini import bootstrap, interval, qini

BASES: dict[str, Callable[[], Model]] = {
    "linear": lambda: Linear(0.1),
    "trees": Trees,
    "more_trees": lambda: Trees(rounds=250, leaves=6, rate=0.03),
}
# Of ours: the kind, and the base model that it stands on.
LEARNERS = {
    "s_linear": ("s", "linear"),
    "s_trees": ("s", "more_trees"),
    "t_linear": ("t", "linear"),
    "t_trees": ("t", "trees"),
    "x_linear": ("x", "linear"),
    "x_trees": ("x", "trees"),
    "dr_linear": ("dr", "linear"),
    "dr_trees": ("dr", "trees"),
}
ROUNDS = 200  # of the bootstrap


class Wrapped(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """One of our base models as econml wants it. `products`: the last column is the treatment, and multiplies the others."""

    def __init__(self, base: str = "linear", products: bool = False) -> None:
        self.base, self.products = base, products

    def fit(self, x: Floats, y: Floats, sample_weight: Floats | None = None) -> Wrapped:
        """Fits one model."""
        self.model_ = BASES[self.base]()
        self.model_.fit(self._wide(x), np.asarray(y, np.float64).ravel(), sample_weight)
        return self

    def predict(self, x: Floats) -> Floats:
        """Expected outcomes."""
        return self.model_.predict(self._wide(x))

    def _wide(self, x: Floats) -> Floats:
        return np.hstack([x, x[:, :-1] * x[:, -1:]]) if self.products else np.asarray(x)


class Theirs:
    """A learner of econml's with the interface of ours."""

    def __init__(self, kind: str, base: str) -> None:
        from econml.dr import DRLearner
        from econml.metalearners import SLearner, TLearner, XLearner

        share = DummyClassifier(strategy="prior")
        made = {
            "s": lambda: SLearner(overall_model=Wrapped(base, base == "linear")),
            "t": lambda: TLearner(models=Wrapped(base)),
            "x": lambda: XLearner(models=Wrapped(base), propensity_model=share),
            "dr": lambda: DRLearner(
                model_propensity=share,
                model_regression=Wrapped(base, base == "linear"),
                model_final=Wrapped(base),
                cv=3,
                random_state=0,
            ),
        }
        self._learner = made[kind]()

    def fit(self, x: Floats, treated: Bools, y: Floats, propensity: Floats | None = None) -> None:
        """Fits; a trial has no propensities of its own rows."""
        assert propensity is None
        self._learner.fit(y, treated.astype(int), X=x)

    def effect(self, x: Floats) -> Floats:
        """Predicted effects."""
        return np.asarray(self._learner.effect(x), np.float64).ravel()


def measure(data: Path, treatment: str, control: str, outcome: str) -> dict[str, Any]:
    """Of each learner: both figures, their paired difference, and how alike the effects are."""
    rows = trial.read(data, outcome=outcome, treatment=trial.Arm.parse(treatment), control=trial.Arm.parse(control))
    x, treated, y = trial.encode(rows).matrix(rows), rows.treated, rows.outcome
    found = {}
    for name, (kind, base) in LEARNERS.items():
        effects, seconds = {}, {}
        for whose, make in (("ours", SINGLE[name]), ("econml", partial(Theirs, kind, base))):
            started = time.process_time()
            effects[whose] = cross_fit({name: make}, x, treated, y, seed=0)[name]
            seconds[whose] = round(time.process_time() - started, 1)
        drawn = bootstrap(effects, treated, y, rounds=ROUNDS)
        values = {whose: qini(one, treated, y) for whose, one in effects.items()}
        ahead = interval(values["ours"] - values["econml"], drawn["ours"] - drawn["econml"])
        found[name] = {
            "qini": {whose: round(value, 4) for whose, value in values.items()},
            "ahead": ahead.as_json(),
            "correlation": round(float(spearmanr(effects["ours"], effects["econml"]).statistic), 3),
            "seconds": seconds,
        }
    return {"n": len(y), "learners": found}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    for name in ("--treatment", "--control", "--outcome"):
        parser.add_argument(name, required=True)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.data, arguments.treatment, arguments.control, arguments.outcome)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['n']} people")
    for name, one in found["learners"].items():
        ahead = one["ahead"]
        print(
            f"{name:10} ours {one['qini']['ours']:+.4f}, econml {one['qini']['econml']:+.4f}, difference {ahead['value']:+.4f} "
            f"({ahead['low']:+.4f} to {ahead['high']:+.4f}), rank correlation {one['correlation']:.3f}, seconds "
            f"{one['seconds']['ours']} and {one['seconds']['econml']}"
        )


if __name__ == "__main__":
    main()
