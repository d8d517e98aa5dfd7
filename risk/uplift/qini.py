"""The Qini coefficient of a ranking, and its uncertainty. Pure numpy.

The curve (Radcliffe, 2007) is the gain from treating the first k of a ranking, Y_T(k) − Y_C(k) · N_T(k) / N_C(k). The coefficient
is the area between it and the straight line of a random ranking, divided by the same area of the best ranking that hindsight could
give (every treated responder first, every control responder last): 0 is chance, 1 hindsight. Ties share one point of the curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float | None]:
        """`{value, low, high}`, null for what cannot be computed."""
        found = {"value": self.value, "low": self.low, "high": self.high}
        return {name: number if math.isfinite(number) else None for name, number in found.items()}


def qini_curve(
    scores: ArrayLike, treated: ArrayLike, outcome: ArrayLike, weight: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Numbers of rows treated (from 0 to n) and the gain at each, float [m]. `scores` [n]: the first to treat is the highest.

    `weight` [n] makes the rows of a log look like those of a trial; numbers are sums of weights then.
    """
    s, t, y = np.asarray(scores, np.float64), np.asarray(treated, np.float64), np.asarray(outcome, np.float64)
    w = np.ones(len(s)) if weight is None else np.asarray(weight, np.float64)
    order = np.argsort(-s, kind="stable")
    s, t, y, w = s[order], t[order], y[order], w[order]
    last = np.flatnonzero(np.r_[s[1:] != s[:-1], True])
    count = np.cumsum(w)[last]
    in_treated = np.cumsum(w * t)[last]
    in_control = np.cumsum(w * (1.0 - t))[last]
    gained = np.cumsum(w * y * t)[last]
    lost = np.cumsum(w * y * (1.0 - t))[last]
    share = np.divide(in_treated, in_control, out=np.zeros_like(in_treated), where=in_control > 0)
    return np.r_[0.0, count], np.r_[0.0, gained - lost * share]


def qini(scores: ArrayLike, treated: ArrayLike, outcome: ArrayLike, weight: ArrayLike | None = None) -> float:
    """The Qini coefficient. NaN when an arm is missing or nobody responds."""
    t, y = np.asarray(treated, np.float64), np.asarray(outcome, np.float64)
    if not 0 < t.sum() < len(t):
        return float("nan")
    best = _area(y * t - y * (1.0 - t), t, y, weight)
    return _area(scores, t, y, weight) / best if best > 0 else float("nan")


def uplift_at(scores: ArrayLike, treated: ArrayLike, outcome: ArrayLike, share: float = 0.3) -> float:
    """Mean outcome of treated minus control among the top `share` of the ranking."""
    s, t, y = np.asarray(scores, np.float64), np.asarray(treated, np.bool_), np.asarray(outcome, np.float64)
    top = np.argsort(-s, kind="stable")[: max(1, round(share * len(s)))]
    inside = t[top]
    if inside.all() or not inside.any():
        return float("nan")
    return float(y[top][inside].mean() - y[top][~inside].mean())


def bootstrap(
    rankings: Mapping[str, Floats],
    treated: Bools,
    outcome: Floats,
    *,
    weight: Floats | None = None,
    rounds: int = 400,
    seed: int = 0,
) -> dict[str, Floats]:
    """Qini of each ranking on resampled rows, float [rounds]. Rows are drawn within their arm, the same ones for all rankings, so
    that differences between rankings are paired."""
    random = np.random.default_rng(seed)
    arms = [np.flatnonzero(treated), np.flatnonzero(~treated)]
    drawn: dict[str, list[float]] = {name: [] for name in rankings}
    for _ in range(rounds):
        rows = np.concatenate([random.choice(arm, len(arm)) for arm in arms])
        t, y, w = treated[rows], outcome[rows], None if weight is None else weight[rows]
        for name, scores in rankings.items():
            drawn[name].append(qini(scores[rows], t, y, w))
    return {name: np.asarray(values) for name, values in drawn.items()}


def interval(value: float, drawn: ArrayLike) -> Estimate:
    """The value with the central 95 % of its bootstrap replicates."""
    low, high = np.nanquantile(np.asarray(drawn, np.float64), [0.025, 0.975])
    return Estimate(float(value), float(low), float(high))


def _area(scores: ArrayLike, t: Floats, y: Floats, weight: ArrayLike | None) -> float:
    """Area between the curve and the straight line to its end."""
    count, gain = qini_curve(scores, t, y, weight)
    under: Any = np.trapezoid(gain, count)
    return float(under - count[-1] * gain[-1] / 2.0)
