"""The calibration of a fusion: Venn-Abers, isotonic or beta, whichever gives unseen customers the smaller loss."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk.calibration import EDGE, GRID, Curve, beta_inputs, fit_beta, fit_curve, isotonic, logit, sigmoid
from risk.metrics import log_loss

METHODS: Final = ("beta", "venn_abers", "isotonic")
FOLDS: Final = 5
ROUNDS: Final = 100  # of the bootstrap that the interval comes from

Floats = NDArray[np.float64]


def choose(scores: Floats, labels: Floats, groups: NDArray[np.int64], *, seed: int) -> tuple[str, dict[str, float]]:
    """The method with the smallest log loss, cross-fitted by group, and each one's loss; `none` leaves the score as it is."""
    names, member = np.unique(groups, return_inverse=True)
    fold = (np.random.default_rng(seed).permutation(len(names)) % FOLDS)[member]
    losses = {"none": log_loss(scores, labels)}
    for method in METHODS:
        p = np.empty_like(scores)
        for k in range(FOLDS):
            learnt, judged = fold != k, fold == k
            found = curve(method, scores[learnt], labels[learnt], groups[learnt], seed=seed, rounds=2)
            p[judged] = np.interp(scores[judged], found.scores, found.point)
        losses[method] = log_loss(p, labels)
    return min(METHODS, key=lambda method: losses[method]), {name: round(value, 5) for name, value in losses.items()}


def curve(
    method: str, scores: Floats, labels: Floats, groups: NDArray[np.int64], *, seed: int, rounds: int = ROUNDS
) -> Curve:
    """A stored curve of a method. `scores` in (0, 1), out of fold; the 90 % interval is a bootstrap over groups."""
    if method == "venn_abers":
        return fit_curve(scores, labels, groups, seed=seed, rounds=rounds)
    grid = np.maximum.accumulate(np.quantile(scores, np.linspace(0, 1, GRID)) + np.arange(GRID) * 1e-9)
    names, member = np.unique(groups, return_inverse=True)
    random = np.random.default_rng(seed)
    draws = np.empty((rounds, GRID))
    for r in range(rounds):
        times = np.bincount(random.integers(0, len(names), len(names)), minlength=len(names))[member]
        drawn = np.repeat(np.arange(len(scores)), times)
        draws[r] = _points(method, scores[drawn], labels[drawn], grid)
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    point = _points(method, scores, labels, grid)
    return Curve(grid, *(np.clip(c, EDGE, 1 - EDGE) for c in (point, low, high)))


def _points(method: str, scores: Floats, labels: Floats, grid: Floats) -> Floats:
    if method == "beta":
        return sigmoid(beta_inputs(logit(grid)) @ np.asarray(fit_beta(logit(scores), labels)))
    points, fit = isotonic(scores, labels)
    return np.asarray(np.interp(grid, points, fit))
