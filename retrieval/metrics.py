"""Ranking metrics and their bootstrap intervals. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
DRAWS = 2_000


def ndcg(gains: Sequence[float], ideal: Sequence[float], k: int) -> float:
    """Normalised discounted cumulative gain (Järvelin and Kekäläinen, TOIS 2002), linear gain, log2 discount.

    `gains` in ranked order, `ideal` all gains that exist, in any order. 0 where nothing is relevant.
    """
    best = _dcg(sorted(ideal, reverse=True)[:k])
    return _dcg(gains[:k]) / best if best > 0 else 0.0


def recall(relevant: Sequence[bool], total: int, k: int) -> float:
    """Share of the `total` relevant documents among the first k. 0 where nothing is relevant."""
    return sum(relevant[:k]) / total if total else 0.0


def reciprocal_rank(relevant: Sequence[bool]) -> float:
    """1 / rank of the first relevant document, 0 without one."""
    return next((1.0 / rank for rank, hit in enumerate(relevant, start=1) if hit), 0.0)


def interval(values: Sequence[float], seed: int = 7) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean over queries or customers. (nan, nan) without values."""
    sample = np.asarray(values, dtype=np.float64)
    if not len(sample):
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    means = np.asarray([sample[random.integers(0, len(sample), len(sample))].mean() for _ in range(DRAWS)])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Mean difference over the same queries or customers with its 95 % bootstrap interval."""
    difference = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
    low, high = interval(difference.tolist())
    return {"difference": float(difference.mean()), "low": low, "high": high}


def _dcg(gains: Sequence[float]) -> float:
    values = np.asarray(gains, dtype=np.float64)
    return float((values / np.log2(np.arange(2, len(values) + 2))).sum())
