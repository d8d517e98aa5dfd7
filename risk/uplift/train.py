"""Uplift learned from the decision log: for each treatment, against ordinary service, with the propensities as logged.

Only decisions that were drawn count, and only where both the treatment and ordinary service could have been drawn: there the log
is a trial with known odds. The learner is chosen by cross-fitted Qini. When none ranks better than chance (its interval holds 0),
the treatment gets its average effect for everybody; when even that is not known well enough, it is left to the prior.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.errors import DataRefused
from risk.ope import TREATMENTS, Logged, kind_of
from risk.uplift.learners import LEARNERS, Linear, TLearner
from risk.uplift.measure import Report, choose, silent
from risk.uplift.model import Effect, UpliftModel
from risk.uplift.qini import Estimate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_ARM: Final = 100  # rows of either arm
KNOWN_SHARE: Final = 0.5  # of rows in which a feature must be known
WIDEST: Final = 0.15  # half width of the average effect's interval beyond which nothing is known
FOLDS: Final = 3
CLIP: Final = 0.05  # odds are taken as no longer than this: a little bias against a lot of variance


@dataclass(frozen=True, slots=True)
class Arms:
    """One treatment's rows."""

    x: Floats
    treated: Bools
    y: Floats
    propensity: Floats


def train(rows: Sequence[Logged], *, seed: int = 0, report: Report = silent) -> tuple[UpliftModel, dict[str, str]]:
    """The model, and why a treatment is not in it. Rewards lie in [0, 1]: stayed or not. Raises DataRefused when nothing can be
    learned."""
    if not all(0.0 <= row.reward <= 1.0 for row in rows):
        raise DataRefused("uplift is learned from a reward between 0 and 1, such as stayed_90")
    drawn = [row for row in rows if not row.forced]
    features = _features(drawn)
    effects: dict[str, Effect] = {}
    left_out: dict[str, str] = {}
    for step, kind in enumerate(TREATMENTS, start=1):
        arms = _arms(drawn, kind, features)
        small = min(int(arms.treated.sum()), int((~arms.treated).sum()))
        if small < LEAST_ARM:
            left_out[kind] = f"{small} rows in its smaller arm, {LEAST_ARM} are the least"
            continue
        average = average_effect(arms, seed=seed)
        if (average.high - average.low) / 2 > WIDEST:
            left_out[kind] = f"its average effect is {average.low:.2f} to {average.high:.2f}: not known well enough"
            continue
        effects[kind] = _effect(arms, average, list(features), seed)
        report("treatments", step, len(TREATMENTS))
    if not effects:
        raise DataRefused(
            "no treatment can be learned: " + "; ".join(f"{kind}: {why}" for kind, why in left_out.items())
        )
    data = {
        "decisions": len(rows),
        "drawn": len(drawn),
        "customers": len({row.customer for row in drawn}),
        "seed": seed,
    }
    return UpliftModel(features, effects, data), left_out


def average_effect(arms: Arms, *, seed: int = 0) -> Estimate:
    """Doubly robust average effect of the treatment with its normal interval, nuisances cross-fitted."""
    fold = np.random.default_rng(seed).permutation(len(arms.y)) % FOLDS
    scores = np.empty(len(arms.y))
    for one in range(FOLDS):
        inside = fold == one
        models = TLearner(lambda: Linear(0.1))
        models.fit(arms.x[~inside], arms.treated[~inside], arms.y[~inside], arms.propensity[~inside])
        with_treatment, without = models.with_treatment.predict(arms.x[inside]), models.without.predict(arms.x[inside])
        t, y, e = arms.treated[inside], arms.y[inside], arms.propensity[inside]
        scores[inside] = with_treatment - without + np.where(t, (y - with_treatment) / e, -(y - without) / (1.0 - e))
    error = 1.96 * float(scores.std(ddof=1)) / math.sqrt(len(scores))
    value = float(scores.mean())
    return Estimate(value, value - error, value + error)


def _effect(arms: Arms, average: Estimate, features: list[str], seed: int) -> Effect:
    figures: dict[str, Any] = {"n": len(arms.y), "treated": int(arms.treated.sum()), "average": average.as_json()}
    choice = choose(arms.x, arms.treated, arms.y, arms.propensity, seed=seed)
    best = choice.qini[choice.name]
    figures["qini"] = {name: found.as_json() for name, found in choice.qini.items()}
    if not best.low > 0:
        return Effect(average.value, average.value, average.value, None, "average", figures)
    learner = LEARNERS[choice.name]()
    learner.fit(arms.x, arms.treated, arms.y, arms.propensity)
    found = learner.effect(arms.x)
    found = found - found.mean() + average.value  # the average is known best from the doubly robust estimate
    low, high = (float(edge) for edge in np.quantile(found, [0.01, 0.99]))
    trees = _distilled(arms.x, np.clip(found, low, high), features, seed)
    return Effect(average.value, low, high, trees, choice.name, figures)


def _distilled(x: Floats, effect: Floats, features: list[str], seed: int) -> str:
    """The learner's effects as LightGBM text."""
    import lightgbm

    settings = {
        "objective": "regression", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 20, "num_threads": 1,
        "deterministic": True, "force_row_wise": True, "seed": seed, "verbosity": -1,
    }  # fmt: skip
    names = [f"f{n}" for n in range(len(features))]  # LightGBM allows few characters in names; the order is ours
    return str(lightgbm.train(settings, lightgbm.Dataset(x, effect, feature_name=names), 150).model_to_string())


def _features(rows: Sequence[Logged]) -> dict[str, float]:
    """Names known in most rows, with their medians."""
    seen: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row.features.items():
            seen.setdefault(name, []).append(value)
    return {
        name: float(np.median(values))
        for name, values in sorted(seen.items())
        if len(values) >= KNOWN_SHARE * len(rows)
    }


def _arms(rows: Sequence[Logged], kind: str, features: Mapping[str, float]) -> Arms:
    x: list[list[float]] = []
    treated: list[bool] = []
    y: list[float] = []
    propensity: list[float] = []
    for row in rows:
        taken = kind_of(row.action)
        if taken != kind and taken in TREATMENTS:
            continue
        of_kind = sum(p for action, p in zip(row.actions, row.probabilities, strict=True) if kind_of(action) == kind)
        of_service = sum(
            p for action, p in zip(row.actions, row.probabilities, strict=True) if kind_of(action) not in TREATMENTS
        )
        if of_kind <= 0.0 or of_service <= 0.0:
            continue
        x.append([row.features.get(name, median) for name, median in features.items()])
        treated.append(taken == kind)
        y.append(row.reward)
        propensity.append(min(max(of_kind / (of_kind + of_service), CLIP), 1.0 - CLIP))
    return Arms(
        np.asarray(x, np.float64).reshape(len(y), len(features)),
        np.asarray(treated, np.bool_),
        np.asarray(y, np.float64),
        np.asarray(propensity, np.float64),
    )
