"""From raw scores to honest probabilities, with an interval. numpy only, so that it is the same code in training and serving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

GRID = 101  # points of a stored calibration curve
EDGE = 1e-4  # no probability is ever 0 or 1: nobody knows that


def sigmoid(x: ArrayLike) -> Floats:
    """Logistic function, elementwise, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))


def logit(p: ArrayLike) -> Floats:
    """Inverse of `sigmoid`; probabilities are first moved into [EDGE, 1 − EDGE]."""
    q = np.clip(np.asarray(p, dtype=np.float64), EDGE, 1 - EDGE)
    return np.log(q) - np.log1p(-q)


def softmax(logits: ArrayLike) -> Floats:
    """Softmax over the last axis."""
    z = np.asarray(logits, dtype=np.float64)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def isotonic(scores: Floats, labels: Floats, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Pool-adjacent-violators: the distinct scores, ascending, and the non-decreasing fit at each of them."""
    weight = np.ones_like(labels) if weights is None else weights
    points, inverse = np.unique(scores, return_inverse=True)
    mass = np.bincount(inverse, weights=weight)
    mean = np.bincount(inverse, weights=weight * labels) / mass
    values: list[float] = []
    masses: list[float] = []
    counts: list[int] = []
    for v, m in zip(mean.tolist(), mass.tolist(), strict=True):
        values.append(v)
        masses.append(m)
        counts.append(1)
        while len(values) > 1 and values[-2] >= values[-1]:
            total = masses[-2] + masses[-1]
            values[-2] = (values[-2] * masses[-2] + values[-1] * masses[-1]) / total
            masses[-2] = total
            counts[-2] += counts[-1]
            values.pop(), masses.pop(), counts.pop()
    return points, np.repeat(values, counts)


@dataclass(frozen=True, slots=True)
class Curve:
    """A stored calibration: raw score → probability with a 90 % interval, by linear interpolation between grid points."""

    scores: Floats  # ascending, [GRID]
    point: Floats
    low: Floats
    high: Floats

    @staticmethod
    def of(tensors: Mapping[str, NDArray[Any]]) -> Curve:
        """From an artefact's parts; raises KeyError."""
        return Curve(*(np.asarray(tensors[field.name], np.float64) for field in fields(Curve)))

    def tensors(self) -> dict[str, Floats]:
        """What `of` needs."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def apply(self, score: float) -> tuple[float, float, float]:
        """Probability and its interval for one raw score."""
        p, lo, hi = (float(np.interp(score, self.scores, c)) for c in (self.point, self.low, self.high))
        return p, min(lo, p), max(hi, p)


def venn_abers(scores: Floats, labels: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Inductive Venn-Abers (Vovk and Petej, 2014): the isotonic fit at each new score, with that score labelled 0 and 1."""
    zero, one = np.empty_like(at), np.empty_like(at)
    for out, label in ((zero, 0.0), (one, 1.0)):
        for i, score in enumerate(at):
            points, fit = isotonic(np.append(scores, score), np.append(labels, label))
            out[i] = fit[np.searchsorted(points, score)]
    return zero, one


def fit_curve(
    scores: Floats,
    labels: Floats,
    groups: NDArray[np.int64],
    *,
    seed: int,
    rounds: int = 100,
    blocks: NDArray[np.int64] | None = None,
) -> Curve:
    """Venn-Abers point estimate p1 / (1 − p0 + p1) on a grid; interval from a bootstrap of the isotonic fit over groups.

    `scores` must be out of fold. Rows of one group (a customer, a conversation) are drawn together, and so are those of one block
    (a label window) where blocks are given: then the interval knows that the base rate drifts.
    """
    grid = np.quantile(scores, np.linspace(0, 1, GRID))
    grid = np.maximum.accumulate(grid + np.arange(GRID) * 1e-9)
    zero, one = venn_abers(scores, labels, grid)
    point = np.maximum.accumulate(one / (1 - zero + one))
    rng = np.random.default_rng(seed)
    ways = [np.unique(by, return_inverse=True)[1] for by in (groups, blocks) if by is not None]
    draws = np.empty((rounds, GRID))
    for r in range(rounds):
        weight = np.ones(len(scores))
        for member in ways:
            size = int(member.max()) + 1
            weight *= np.bincount(rng.integers(0, size, size), minlength=size)[member]
        keep = weight > 0
        points, fit = isotonic(scores[keep], labels[keep], weight[keep])
        draws[r] = np.interp(grid, points, fit)
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    clip = (EDGE, 1 - EDGE)
    return Curve(grid, np.clip(point, *clip), np.clip(low, *clip), np.clip(high, *clip))


def temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature in [0.3, 5] that minimises the log loss of softmax(logits / T), by golden-section search.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """

    def loss(t: float) -> float:
        p = softmax(logits / t)[np.arange(len(labels)), labels]
        return float(-np.log(np.clip(p, 1e-12, None)).mean())

    lo, hi, ratio = np.log(0.3), np.log(5.0), (5**0.5 - 1) / 2
    for _ in range(40):
        a, b = hi - ratio * (hi - lo), lo + ratio * (hi - lo)
        lo, hi = (lo, b) if loss(float(np.exp(a))) < loss(float(np.exp(b))) else (a, hi)
    return float(np.exp((lo + hi) / 2))


def beta_inputs(logits: Floats) -> Floats:
    """ln s, −ln(1 − s) and 1 for s = σ(logit), float64 [n, 3], without overflow."""
    return np.stack([-np.logaddexp(0, -logits), np.logaddexp(0, logits), np.ones_like(logits)], axis=-1)


def fit_beta(logits: Floats, labels: Floats) -> tuple[float, float, float]:
    """Beta calibration (Kull, Silva Filho and Flach, 2017): a, b, c of σ(a ln s − b ln(1 − s) + c), monotone in s.

    By damped Newton steps on the log loss, lightly regularised towards the identity. Where a or b would fall below 0 it is
    left out and the others are fitted anew, as in the paper.
    """
    x = beta_inputs(logits)
    start = np.array([1.0, 1.0, 0.0])
    used = [0, 1, 2]
    while True:
        w = fit_logistic(x[:, used], labels, start[used])
        negative = [u for u, value in zip(used, w, strict=True) if u < 2 and value < 0]
        if not negative:
            break
        used = [u for u in used if u not in negative]
    fitted = dict(zip(used, w.tolist(), strict=True))
    return fitted.get(0, 0.0), fitted.get(1, 0.0), fitted[2]


def fit_logistic(x: Floats, labels: Floats, start: Floats, pull: float = 1e-2) -> Floats:
    """Weights of a logistic regression on `x`, pulled towards `start`; a step is halved until the loss falls."""

    def loss(w: Floats) -> float:
        z = x @ w
        return float((np.logaddexp(0, z) - labels * z).sum() + 0.5 * pull * ((w - start) ** 2).sum())

    w = start.copy()
    for _ in range(50):
        p = sigmoid(x @ w)
        gradient = x.T @ (p - labels) + pull * (w - start)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + pull * np.eye(x.shape[1])
        step = np.linalg.solve(hessian, gradient)
        before = loss(w)
        while loss(w - step) > before and np.abs(step).max() > 1e-9:
            step = step / 2
        w = w - step
        if np.abs(step).max() < 1e-9:
            break
    return w
