"""Which learner, and how much better than risk: chosen by cross-fitted Qini on the training rows, measured on others.

Four rankings of the same people are compared: by uplift, by risk (who is least likely to respond when left alone comes first), by
response (who is most likely to respond when treated), and at random. Intervals come from a bootstrap that resamples the same people
for all four, so differences are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.uplift.learners import LEARNERS, SINGLE, Learner, Linear, weights
from risk.uplift.qini import Estimate, bootstrap, interval, qini, uplift_at
from risk.uplift.trial import Encoding, Rows, encode

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FOLDS: Final = 5
ROUNDS: Final = 400
RANDOM_RANKINGS: Final = 50
RANKINGS: Final = ("uplift", "risk", "response", "random")


Report = Callable[[str, int, int], None]  # stage, steps done, steps in all


def silent(stage: str, done: int, total: int) -> None:
    """Reports nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The learner that ranked best on rows it had not seen, and how all of them did."""

    name: str
    qini: dict[str, Estimate]


@dataclass(frozen=True, slots=True)
class Measured:
    """The answer of `staywell evaluate uplift`."""

    n: int
    learner: str
    qini: dict[str, Estimate]
    lead: dict[str, Estimate]  # Qini of uplift minus that of another ranking, paired
    top30: dict[str, float]  # uplift among the top 30 %
    effect: Estimate  # of treating everybody
    candidates: dict[str, Estimate]
    encoding: Encoding
    cross_fitted: bool

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "n": self.n,
            "qini": {name: found.as_json() for name, found in self.qini.items()},
            "learner": self.learner,
            "lead": {name: found.as_json() for name, found in self.lead.items()},
            "uplift_top30": {name: value if math.isfinite(value) else None for name, value in self.top30.items()},
            "average_effect": self.effect.as_json(),
            "learners": {name: found.as_json() for name, found in self.candidates.items()},
            "cross_fitted": self.cross_fitted,
            "features": self.encoding.features,
            "dropped": dict(self.encoding.dropped),
        }


def measure(
    data: Rows,
    train: Rows | None = None,
    *,
    drop: Iterable[str] = (),
    seed: int = 0,
    report: Report = silent,
) -> Measured:
    """Qini of the four rankings on `data`.

    With `train`, learners are chosen and fitted there and `data` is only ranked. Without, everything is cross-fitted: the rows of
    a fold are ranked by models that were chosen and fitted on the other folds. Raises DataRefused.
    """
    encoding = encode(train if train is not None else data, drop)
    x = encoding.matrix(data)
    if train is not None:
        choice = choose(encoding.matrix(train), train.treated, train.outcome, seed=seed, report=report)
        fitted = _rankings(choice.name, encoding.matrix(train), train.treated, train.outcome, x)
        name, candidates = choice.name, choice.qini
    else:
        fitted, name, candidates = _cross_fitted(x, data.treated, data.outcome, seed=seed, report=report)
    return _compare(fitted, data, name, candidates, encoding, cross_fitted=train is None, seed=seed)


def choose(
    x: Floats,
    treated: Bools,
    y: Floats,
    propensity: Floats | None = None,
    *,
    seed: int = 0,
    folds: int = FOLDS,
    report: Report = silent,
) -> Choice:
    """The learner with the greatest cross-fitted Qini; all of them with intervals."""
    effects = cross_fit(LEARNERS, x, treated, y, propensity, seed=seed, folds=folds, report=report)
    weight = weights(treated, propensity)
    drawn = bootstrap(effects, treated, y, weight=weight, rounds=ROUNDS // 2, seed=seed)
    found = {name: interval(qini(effect, treated, y, weight), drawn[name]) for name, effect in effects.items()}
    return Choice(max(found, key=lambda name: found[name].value), found)


def cross_fit(
    learners: Mapping[str, Callable[[], Learner]],
    x: Floats,
    treated: Bools,
    y: Floats,
    propensity: Floats | None = None,
    *,
    seed: int,
    folds: int = FOLDS,
    report: Report = silent,
) -> dict[str, Floats]:
    """Effects of each learner, every row's from models that have not seen it. The blend is made of the others' effects."""
    fold = split(treated, y, folds, seed)
    single = {name: make for name, make in learners.items() if name in SINGLE}
    effects = {name: np.empty(len(y)) for name in learners}
    for one in range(folds):
        inside = fold == one
        scaled: list[Floats] = []
        for step, (name, make) in enumerate(single.items(), start=1):
            learner = make()
            learner.fit(x[~inside], treated[~inside], y[~inside], None if propensity is None else propensity[~inside])
            effects[name][inside] = learner.effect(x[inside])
            seen = learner.effect(x[~inside])
            scaled.append((effects[name][inside] - seen.mean()) / (seen.std() or 1.0))
            report("learners", one * len(single) + step, folds * len(single))
        if "blend" in effects:
            effects["blend"][inside] = np.mean(scaled, axis=0)
    return effects


def split(treated: Bools, y: Floats, folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each row, balanced over arm and outcome."""
    random = np.random.default_rng(seed)
    fold = np.empty(len(y), np.int64)
    for arm in (True, False):
        for happened in (True, False):
            rows = np.flatnonzero((treated == arm) & ((y > 0) == happened))
            fold[random.permutation(rows)] = np.arange(len(rows)) % folds
    return fold


def _rankings(name: str, x: Floats, treated: Bools, y: Floats, new: Floats) -> dict[str, Floats]:
    """Scores of new rows by each rule but the random one, from models fitted on (x, treated, y)."""
    learner = LEARNERS[name]()
    learner.fit(x, treated, y)
    alone, response = Linear(0.1), Linear(0.1)
    alone.fit(x[~treated], y[~treated])
    response.fit(x[treated], y[treated])
    return {"uplift": learner.effect(new), "risk": -alone.predict(new), "response": response.predict(new)}


def _cross_fitted(
    x: Floats, treated: Bools, y: Floats, *, seed: int, report: Report
) -> tuple[dict[str, Floats], str, dict[str, Estimate]]:
    """Nested: the learner of each outer fold is chosen inside the other folds. The name is that of the most folds."""
    fold = split(treated, y, FOLDS, seed + 1)
    scores: dict[str, Floats] = {name: np.empty(len(y)) for name in ("uplift", "risk", "response")}
    names: list[str] = []
    for one in range(FOLDS):
        inside = fold == one
        choice = choose(x[~inside], treated[~inside], y[~inside], seed=seed + one, folds=3)
        names.append(choice.name)
        for rule, found in _rankings(choice.name, x[~inside], treated[~inside], y[~inside], x[inside]).items():
            # Models of different folds differ in level; ranks inside the fold make them comparable.
            scores[rule][inside] = _share_of_rank(found) if rule == "uplift" else found
        report("folds", one + 1, FOLDS)
    whole = choose(x, treated, y, seed=seed, report=report)
    return scores, max(whole.qini, key=lambda name: (names.count(name), whole.qini[name].value)), whole.qini


def _share_of_rank(values: Floats) -> Floats:
    return np.argsort(np.argsort(values, kind="stable"), kind="stable") / len(values)


def _compare(
    fitted: dict[str, Floats],
    data: Rows,
    learner: str,
    candidates: dict[str, Estimate],
    encoding: Encoding,
    *,
    cross_fitted: bool,
    seed: int,
) -> Measured:
    treated, y = data.treated, data.outcome
    random = np.random.default_rng(seed)
    drawn = bootstrap(fitted, treated, y, rounds=ROUNDS, seed=seed)
    # Chance: many random rankings, each on rows drawn anew.
    chance = np.concatenate(
        [
            bootstrap({"random": random.random(len(y))}, treated, y, rounds=ROUNDS // RANDOM_RANKINGS, seed=seed + n)[
                "random"
            ]
            for n in range(RANDOM_RANKINGS)
        ]
    )
    found = {name: interval(qini(scores, treated, y), drawn[name]) for name, scores in fitted.items()}
    found["random"] = interval(float(np.mean(chance)), chance)
    lead = {
        name: interval(found["uplift"].value - found[name].value, drawn["uplift"] - drawn[name])
        for name in ("risk", "response")
    }
    rows = len(drawn["uplift"])
    lead["random"] = interval(found["uplift"].value - found["random"].value, drawn["uplift"] - chance[:rows])
    return Measured(
        n=len(data),
        learner=learner,
        qini={name: found[name] for name in RANKINGS},
        lead=lead,
        top30={name: uplift_at(scores, treated, y) for name, scores in fitted.items()},
        effect=_average_effect(treated, y),
        candidates=candidates,
        encoding=encoding,
        cross_fitted=cross_fitted,
    )


def _average_effect(treated: Bools, y: Floats) -> Estimate:
    """Difference of means with its normal interval."""
    with_treatment, without = y[treated], y[~treated]
    value = float(with_treatment.mean() - without.mean())
    error = float(np.sqrt(with_treatment.var(ddof=1) / len(with_treatment) + without.var(ddof=1) / len(without)))
    return Estimate(value, value - 1.96 * error, value + 1.96 * error)
