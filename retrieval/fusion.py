"""Dense and sparse evidence made one score in [0, 1]. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.documents import Vector


@dataclass(frozen=True, slots=True)
class Fusion:
    """How evidence is joined.

    `rrf`: reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009), 1 / (k + rank) summed over the sources and divided
    by its maximum. `convex`: alpha × cosine + (1 − alpha) × share of the query's idf that was matched, which is comparable
    between queries and is the better one where alpha was fitted (Bruch, Gai and Ingber, TOIS 2023).
    """

    method: Literal["rrf", "convex"] = "convex"
    alpha: float = 0.5
    head: float = 0.0  # how much of the matched share is measured in title and description alone, for products
    k: int = 60

    def scores(self, cosines: Vector | None, share: Vector) -> Vector:
        """Float32 [n] in [0, 1]. `cosines` None: words alone. `share` in [0, 1]: how much of the query's idf was matched."""
        if cosines is None:
            return share
        if self.method == "convex":
            mixed = self.alpha * np.clip(cosines, 0.0, 1.0) + (1.0 - self.alpha) * share
            return np.asarray(mixed, dtype=np.float32)
        total = 1.0 / (self.k + ranks(cosines)) + np.where(share > 0, 1.0 / (self.k + ranks(share)), 0.0)
        return np.asarray(total * (self.k + 1) / 2.0, dtype=np.float32)


def ranks(scores: Vector) -> Vector:
    """Rank from 1 of each score, the highest first; equal scores share the better rank. Float32 [n]."""
    ordered = np.sort(-scores)
    return np.asarray(np.searchsorted(ordered, -scores) + 1, dtype=np.float32)


def share_of_intent(scores: Vector, intents: NDArray[np.int64], scale: float) -> Vector:
    """Float32 [n] in (0, 1]: 1 for the best of each intent, falling as exp(−Δ ÷ scale) for those whose score is Δ lower."""
    best = np.full(int(intents.max(initial=-1)) + 1, -np.inf, dtype=np.float32)
    np.maximum.at(best, intents, scores)
    return np.asarray(np.exp((scores - best[intents]) / scale), dtype=np.float32)


def diversify(scores: Vector, similarity: Vector, k: int, trade: float) -> list[int]:
    """Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): positions of k items, picked one by one.

    Each pick maximises trade × score − (1 − trade) × highest similarity to what was picked. `scores` [n], `similarity` [n, n].
    The first pick is always the highest score.
    """
    if not len(scores):
        return []
    picked = [int(scores.argmax())]
    worth = np.asarray(trade * scores, dtype=np.float32)
    closest = np.zeros(len(scores), dtype=np.float32)
    while len(picked) < min(k, len(scores)):
        worth[picked[-1]] = -np.inf
        np.maximum(closest, similarity[picked[-1]], out=closest)
        picked.append(int((worth - (1.0 - trade) * closest).argmax()))
    return picked
