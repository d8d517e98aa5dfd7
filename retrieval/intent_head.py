"""What a message asks for: the probability of each intent, learned from the examples of all scripts in all languages.

Multinomial logistic regression (softmax) on two views of a text side by side: the encoder's vector, which knows meaning across
languages, and the inverse-document-frequency weights of its words and character n-grams, which know names of things. L2-penalised
likelihood, minimised by L-BFGS (Liu and Nocedal, Mathematical Programming 1989). Fitted when a snapshot is built; reading a message
is two small products.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.documents import Reading, Vector
from retrieval.text import clean

PENALTY = 0.2  # L2, on both views
GRAM_WEIGHT = 1.4  # of the gram view against the vector's
BUCKETS = 1 << 16  # that grams are hashed into
STEPS = 40  # of L-BFGS; more change nothing that matters
SHARPNESS = 1.8  # factor on the scores; the penalty alone leaves probabilities too even for messages like the examples
SETTINGS = (PENALTY, GRAM_WEIGHT, STEPS, BUCKETS)  # what a fitted head depends on besides its examples
SURE = 0.6  # probability from which the core of a message needs no other reading
UNSHAKEN = 0.95  # … and from which what was said before changes nothing
CLOSE = 0.2  # by how much less sure the reading with what was said before may be, and still count
_HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_RUN = re.compile(rf"[{_HAN}]+|[^\W\d_{_HAN}]+(?:'[^\W\d_{_HAN}]+)?")


@dataclass(frozen=True, slots=True)
class IntentHead:
    """A fitted head for K intents, vectors of d numbers and G known grams. Immutable; any thread may read it."""

    names: tuple[str, ...]  # the K intents
    weights: Vector  # [d, K]
    bias: Vector  # [K]
    buckets: NDArray[np.int64]  # [G], ascending
    rarity: Vector  # [G], inverse document frequency
    gram_weights: Vector  # [G, K]

    def probabilities(self, vectors: Vector, texts: Sequence[str]) -> Vector:
        """Float32 [n, K]: for each text, with its vector in row i of `vectors` [n, d], the probability of every intent."""
        scores = vectors @ self.weights + self.bias
        for row, text in enumerate(texts):
            columns, values = self._grams(text)
            scores[row] += values @ self.gram_weights[columns]
        return _softmax(SHARPNESS * scores)

    def read(self, vector: Vector, text: str, readings: Sequence[Reading] = ()) -> Vector:
        """Float32 [K]: the probability of each intent for a message, its other readings taken into account.

        A sure core speaks for itself. Otherwise all clauses are heard, each by the square of how sure it is; and a short message
        that is not quite sure is read with what was said before it, where that reads about as sure or surer.
        """
        found = self.probabilities(
            np.stack([vector, *(reading.vector for reading in readings)]),
            [text, *(reading.text for reading in readings)],
        )
        kinds = ["core", *(reading.kind for reading in readings)]
        core: Vector = found[max(place for place, kind in enumerate(kinds) if kind == "core")]
        if core.max() < SURE:
            alone = found[[place for place, kind in enumerate(kinds) if kind != "context"]]
            core = _weighed(alone)
        context = [found[place] for place, kind in enumerate(kinds) if kind == "context"]
        if context and core.max() < UNSHAKEN and context[0].max() > core.max() - CLOSE:
            core = _weighed(np.stack([core, context[0], context[0]]))
        return core

    def save(self, path: Path) -> None:
        """Write as a numpy archive without pickles."""
        np.savez(
            path,
            names=np.asarray(self.names, dtype=np.str_),
            weights=self.weights,
            bias=self.bias,
            buckets=self.buckets,
            rarity=self.rarity,
            gram_weights=self.gram_weights,
        )

    @classmethod
    def open(cls, path: Path) -> IntentHead:
        """Read what `save` wrote. Raises OSError, ValueError or KeyError on anything else."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(
                tuple(stored["names"].tolist()),
                *(stored[name] for name in ("weights", "bias", "buckets", "rarity", "gram_weights")),
            )

    def _grams(self, text: str) -> tuple[NDArray[np.int64], Vector]:
        """Columns of the known grams in a text and their weights, scaled to GRAM_WEIGHT over all of them."""
        found = np.asarray(sorted({_bucket(gram) for gram in grams(text)}), dtype=np.int64)
        places = np.minimum(np.searchsorted(self.buckets, found), max(len(self.buckets) - 1, 0))
        columns = places[self.buckets[places] == found] if len(self.buckets) else places[:0]
        return columns, _scaled(self.rarity[columns])


def fit(vectors: Vector, texts: Sequence[str], intents: Sequence[str]) -> IntentHead | None:
    """The head for examples `texts` with `vectors` [n, d] and the intent of each; None where there is nothing to tell apart."""
    from scipy.optimize import minimize
    from scipy.sparse import csr_matrix

    names = sorted(set(intents))
    if len(names) < 2:
        return None
    number = {name: place for place, name in enumerate(names)}
    labels = np.asarray([number[name] for name in intents])
    found = [sorted({_bucket(gram) for gram in grams(text)}) for text in texts]
    buckets, counts = np.unique([bucket for row in found for bucket in row] or [0], return_counts=True)
    kept = counts >= 2  # what stands in a single example teaches that example by heart
    buckets, counts = buckets[kept].astype(np.int64), counts[kept]
    rarity = (np.log((len(texts) + 1) / (counts + 1)) + 1.0).astype(np.float32)
    column = {int(bucket): place for place, bucket in enumerate(buckets)}
    rows: list[int] = []
    columns: list[int] = []
    values: list[Vector] = []
    for row, own in enumerate(found):
        known = [column[bucket] for bucket in own if bucket in column]
        rows.extend([row] * len(known))
        columns.extend(known)
        values.append(_scaled(rarity[known]))
    shape = (len(texts), len(buckets))
    present = csr_matrix((np.concatenate(values), (rows, columns)), shape=shape, dtype=np.float32)
    turned = present.T.tocsr()

    size, dim, count = len(texts), vectors.shape[1], len(names)
    plain = np.hstack([vectors, np.ones((size, 1), dtype=np.float32)]).astype(np.float32)
    wanted = np.zeros((size, count), dtype=np.float32)
    wanted[np.arange(size), labels] = 1.0
    share = (size / count / np.bincount(labels)) ** 0.5  # an intent with many examples is not asked for more often
    weight = (share[labels] / share[labels].mean()).astype(np.float32)
    cut = (dim + 1) * count

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        dense = flat[:cut].reshape(dim + 1, count).astype(np.float32)
        sparse = flat[cut:].reshape(-1, count).astype(np.float32)
        scores = plain @ dense + present @ sparse
        scores -= scores.max(axis=1, keepdims=True)
        odds = np.exp(scores)
        total = odds.sum(axis=1, keepdims=True)
        missed = np.log(total[:, 0]) - scores[np.arange(size), labels]
        error = (odds / total - wanted) * weight[:, None]
        of_dense, of_sparse = plain.T @ error, turned @ error + PENALTY * sparse
        of_dense[:dim] += PENALTY * dense[:dim]
        penalty = float((dense[:dim] ** 2).sum() + (sparse**2).sum())
        gradient = np.concatenate([of_dense.ravel(), of_sparse.ravel()]).astype(np.float64)
        return float((weight * missed).sum()) + 0.5 * PENALTY * penalty, gradient

    start = np.zeros(cut + len(buckets) * count)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "maxcor": 5}).x
    dense = best[:cut].reshape(dim + 1, count).astype(np.float32)
    sparse = best[cut:].reshape(-1, count).astype(np.float32)
    return IntentHead(tuple(names), dense[:dim].copy(), dense[dim].copy(), buckets, rarity, sparse)


def grams(text: str) -> Iterator[str]:
    """Words, neighbouring words and character n-grams of a text: 1 to 3 Han characters, 3 to 4 letters of a word. No digits."""
    previous = ""
    for match in _RUN.finditer(clean(text).casefold().replace("’", "'")):
        run = match.group()
        if re.match(f"[{_HAN}]", run):
            yield from (run[at : at + size] for size in (1, 2, 3) for at in range(len(run) - size + 1))
            previous = ""
            continue
        yield f"={run}"
        if previous:
            yield f"{previous} {run}"
        marked = f"<{run}>"
        yield from (marked[at : at + size] for size in (3, 4) for at in range(len(marked) - size + 1))
        previous = run


def _weighed(found: Vector) -> Vector:
    """The mean of several readings [n, K], each weighing as the square of its highest probability."""
    weights = found.max(axis=1, keepdims=True) ** 2
    return np.asarray((found * weights).sum(axis=0) / weights.sum(), dtype=np.float32)


def _bucket(gram: str) -> int:
    return zlib.crc32(gram.encode()) % BUCKETS


def _scaled(values: Vector) -> Vector:
    return np.asarray(GRAM_WEIGHT * values / max(float(np.linalg.norm(values)), 1e-6), dtype=np.float32)


def _softmax(scores: Vector) -> Vector:
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float32)
