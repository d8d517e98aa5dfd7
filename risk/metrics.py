"""Measures of scores against labels, in numpy, with intervals from a bootstrap over groups.

All take `scores` float [n] and binary `labels` [n]; they are checked against scikit-learn in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties averaged."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], len(values)]
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return ranks


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve (Mann-Whitney); NaN when one class is missing."""
    s, y = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    positive = y.sum()
    negative = len(y) - positive
    if not positive or not negative:
        return float("nan")
    return float((_ranks(s)[y == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct thresholds; NaN without a positive."""
    s, y = np.asarray(scores, np.float64), np.asarray(labels, np.float64)
    if not y.sum():
        return float("nan")
    order = np.argsort(-s, kind="stable")
    s, y = s[order], y[order]
    last = np.r_[s[1:] != s[:-1], True]
    hits = np.cumsum(y)[last]
    seen = np.arange(1, len(y) + 1)[last]
    return float((np.diff(np.r_[0.0, hits]) * hits / seen).sum() / y.sum())


def brier(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared error of probabilities."""
    return float(np.mean((np.asarray(probabilities, np.float64) - np.asarray(labels, np.float64)) ** 2))


def log_loss(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean negative log likelihood in nats; probabilities are moved into [1e-6, 1 − 1e-6]."""
    p, y = np.clip(np.asarray(probabilities, np.float64), 1e-6, 1 - 1e-6), np.asarray(labels, np.float64)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error over `bins` bins of equal width (Guo et al., 2017)."""
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels, np.float64)
    place = np.minimum((p * bins).astype(int), bins - 1)
    size = np.bincount(place, minlength=bins)
    gap = np.abs(np.bincount(place, p, bins) - np.bincount(place, y, bins))
    return float(gap.sum() / size.sum())


def accuracy(predicted: ArrayLike, labels: ArrayLike) -> float:
    """Share of equal labels."""
    return float(np.mean(np.asarray(predicted) == np.asarray(labels)))


def macro_f1(predicted: ArrayLike, labels: ArrayLike, classes: int = 3) -> float:
    """Mean F1 over the classes; a class that neither side has counts 0."""
    p, y = np.asarray(predicted), np.asarray(labels)
    scores = []
    for c in range(classes):
        both = np.sum((p == c) & (y == c))
        total = np.sum(p == c) + np.sum(y == c)
        scores.append(2 * both / total if total else 0.0)
    return float(np.mean(scores))


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value with its 95 % interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float | None]:
        """`{value, low, high}`; JSON knows no NaN, so a value that could not be measured is null."""
        return {
            k: None if np.isnan(v) else round(v, 4)
            for k, v in (("value", self.value), ("low", self.low), ("high", self.high))
        }


def bootstrap(
    measure: Callable[[NDArray[np.int64]], float], groups: ArrayLike, *, rounds: int = 300, seed: int = 0
) -> Figure:
    """`measure(rows)` on all rows, with the 2.5 % and 97.5 % quantiles over resamples of whole groups."""
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(member, kind="stable")
    rows_of = np.split(order, np.cumsum(np.bincount(member))[:-1])
    rng = np.random.default_rng(seed)
    everything = np.arange(len(member))
    draws = [
        measure(np.concatenate([rows_of[g] for g in rng.integers(0, len(names), len(names))])) for _ in range(rounds)
    ]
    usable = np.array([d for d in draws if not np.isnan(d)])
    low, high = np.quantile(usable, [0.025, 0.975]) if usable.size else (float("nan"), float("nan"))
    return Figure(measure(everything), float(low), float(high))
