"""A learned distance for families with many examples: frozen vectors, turned so that what separates families counts.

Linear discriminant analysis with a shrunk within-family covariance (Friedman, JASA 1989): directions in which examples of one
family scatter are damped, those in which families differ remain. It needs examples: with a handful a family it brings nothing,
so it is learned by holding examples out, and kept only where held-out questions are answered clearly better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.documents import Vector
from retrieval.encoders import unit

SHRINKAGE = (0.3, 0.9)
LEAST_GAIN = 0.01  # of accuracy on held-out examples
LEAST_EXAMPLES = 20  # a family on average, below which nothing is tried
_FOLDS = 3


@dataclass(frozen=True, slots=True)
class Metric:
    """Maps unit vectors [n, d] to unit vectors [n, m] in which cosine is the learned similarity."""

    mean: Vector  # [d]
    projection: Vector  # [d, m]

    def apply(self, vectors: Vector) -> Vector:
        """Float32 [n, m]."""
        return unit((vectors - self.mean) @ self.projection)

    def save(self, path: Path) -> None:
        """Write as a numpy archive without pickles."""
        np.savez(path, mean=self.mean, projection=self.projection)

    @classmethod
    def open(cls, path: Path) -> Metric:
        """Read what `save` wrote. Raises OSError, ValueError or KeyError on anything else."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(stored["mean"], stored["projection"])


def fit(vectors: Vector, families: NDArray[np.int64], shrinkage: float) -> Metric:
    """Discriminant directions of `vectors` [n, d] with family numbers [n]; at most d and families − 1 of them."""
    names, families = np.unique(families, return_inverse=True)
    mean = vectors.mean(axis=0)
    centres = np.stack([vectors[families == family].mean(axis=0) for family in range(len(names))])
    scatter = vectors - centres[families]
    within = (scatter.T @ scatter).astype(np.float64) / len(vectors)
    within = (1.0 - shrinkage) * within + shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    values, directions = np.linalg.eigh(within)
    whitening = directions / np.sqrt(np.maximum(values, 1e-12))
    _, _, turned = np.linalg.svd((centres - mean) @ whitening, full_matrices=False)
    kept = min(len(names) - 1, vectors.shape[1])
    return Metric(mean.astype(np.float32), (whitening @ turned[:kept].T).astype(np.float32))


def learn(vectors: Vector, families: Sequence[int]) -> Metric | None:
    """The best metric for these examples, or None where plain cosine does about as well on held-out ones."""
    labels = np.asarray(families, dtype=np.int64)
    count = len(np.unique(labels)) if len(labels) else 0
    if count < 2 or len(labels) < LEAST_EXAMPLES * count:
        return None
    fold = _fold(labels)
    worth = {shrinkage: _worth(vectors, labels, fold, shrinkage) for shrinkage in SHRINKAGE}
    best = max(worth, key=lambda shrinkage: worth[shrinkage])
    return fit(vectors, labels, best) if worth[best] >= _worth(vectors, labels, fold, None) + LEAST_GAIN else None


def _worth(vectors: Vector, labels: NDArray[np.int64], fold: NDArray[np.int64], shrinkage: float | None) -> float:
    """Held-out accuracy of a metric, or of plain cosine for None."""
    found = []
    for held in range(_FOLDS):
        known, asked = fold != held, fold == held
        corpus, questions = vectors[known], vectors[asked]
        if shrinkage is not None:
            metric = fit(corpus, labels[known], shrinkage)
            corpus, questions = metric.apply(corpus), metric.apply(questions)
        found.append(_accuracy(corpus, labels[known], questions, labels[asked]))
    return float(np.mean(found))


def _fold(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each family's examples dealt out evenly, in their order."""
    order = np.argsort(labels, kind="stable")
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % _FOLDS
    return fold


def _accuracy(known: Vector, labels: NDArray[np.int64], asked: Vector, wanted: NDArray[np.int64]) -> float:
    """Share of questions whose nearest example is of their family."""
    hits = 0
    for start in range(0, len(asked), 1_024):
        nearest = np.argmax(asked[start : start + 1_024] @ known.T, axis=1)
        hits += int((labels[nearest] == wanted[start : start + 1_024]).sum())
    return hits / max(len(asked), 1)
