"""A linear reading of a turn's characters: what an encoder smooths away ("没" or "了", one "?" more) still counts.

Character n-grams of the turn (1 to 4, with its ends marked), TF-IDF weighted, beside the turn features, into a multinomial
logistic regression. Served in numpy from a vocabulary and a matrix.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk import cues
from risk.text import WIDTH
from risk.types import Vector

MAX_CHARS = 120  # of a turn: what follows changes no reading, and bounds the cost
LONGEST = 4
TRUSTED = 0.3  # share of a text's weight that the vocabulary must know before the reading counts fully
FEATURE_WEIGHT = 0.1
MIN_TURNS = 2  # an n-gram must be in so many turns
STRENGTH = 1.0  # inverse regularisation


def grams(text: str) -> Counter[str]:
    """Character n-grams of a text, its ends marked by ^ and $."""
    marked = f"^{cues.normalise(text)[:MAX_CHARS]}$"
    return Counter(marked[i : i + n] for n in range(1, LONGEST + 1) for i in range(len(marked) - n + 1))


@dataclass(frozen=True, slots=True)
class Lexical:
    """`vocabulary[i]` has inverse document frequency `idf[i]` and row `weight[i]` [3]; `dense` [WIDTH, 3] reads the features."""

    vocabulary: tuple[str, ...]
    idf: Vector
    weight: Vector
    mean: Vector
    scale: Vector
    dense: Vector
    bias: Vector
    index: dict[str, int]

    @staticmethod
    def build(vocabulary: Sequence[str], tensors: dict[str, Vector]) -> Lexical:
        """From stored parts; raises ValueError when their shapes do not fit together."""
        size = len(vocabulary)
        shapes = {
            "idf": (size,),
            "weight": (size, 3),
            "mean": (WIDTH,),
            "scale": (WIDTH,),
            "dense": (WIDTH, 3),
            "bias": (3,),
        }
        for name, shape in shapes.items():
            if tensors[name].shape != shape:
                raise ValueError(f"the lexical model's {name} has shape {tensors[name].shape}, not {shape}")
        return Lexical(
            tuple(vocabulary), **{n: tensors[n] for n in shapes}, index={g: i for i, g in enumerate(vocabulary)}
        )

    def tensors(self) -> dict[str, Vector]:
        """What `build` needs beside the vocabulary."""
        return {n: getattr(self, n) for n in ("idf", "weight", "mean", "scale", "dense", "bias")}

    def row(self, counts: Counter[str]) -> tuple[list[int], list[float]]:
        """Indices and values of a text's TF-IDF row. Its norm is 1, or less where little of the text is known.

        In a language that the model has not learnt only a few stray n-grams are known; at full norm they would shout. Such a
        text gives a short row, and the reading falls back on the features.
        """
        rare = float(self.idf.max()) if len(self.idf) else 1.0
        places: list[int] = []
        values: list[float] = []
        unknown = 0.0
        for gram, count in counts.items():
            place = self.index.get(gram)
            value = (1 + math.log(count)) * (rare if place is None else float(self.idf[place]))
            if place is None:
                unknown += value * value
            else:
                places.append(place)
                values.append(value)
        known = sum(v * v for v in values)
        if not known:
            return [], []
        norm = min(1.0, known / (known + unknown) / TRUSTED) / math.sqrt(known)
        return places, [v * norm for v in values]

    def logits(self, counts: Counter[str], features: Vector) -> NDArray[np.float64]:
        """Level logits [3] of one turn; centred, so that they add to 0."""
        places, values = self.row(counts)
        sparse = np.asarray(values, dtype=np.float32) @ self.weight[places] if places else np.zeros(3, np.float32)
        logits = (sparse + ((features - self.mean) * self.scale) @ self.dense + self.bias).astype(np.float64)
        return np.asarray(logits - logits.mean())


@dataclass(frozen=True)
class Turn:
    """One contact turn as the linear reader sees it; `level` −1 where nobody labelled it."""

    text: str
    features: Vector
    level: int = -1
    weight: float = 1.0

    @cached_property
    def grams(self) -> Counter[str]:
        """Counted once, however many folds read the turn."""
        return grams(self.text)


def fit(turns: Sequence[Turn]) -> Lexical:
    """Learn from labelled turns. Deterministic."""
    import scipy.sparse
    from sklearn.linear_model import LogisticRegression

    seen: Counter[str] = Counter()
    for turn in turns:
        seen.update(turn.grams.keys())
    vocabulary = tuple(sorted(gram for gram, count in seen.items() if count >= MIN_TURNS))
    idf = np.array([1 + math.log((1 + len(turns)) / (1 + seen[gram])) for gram in vocabulary], dtype=np.float32)
    stacked = np.stack([t.features for t in turns])
    mean = stacked.mean(0).astype(np.float32)
    scale = (FEATURE_WEIGHT / np.maximum(stacked.std(0), 0.05)).astype(np.float32)
    empty: dict[str, Any] = {
        "weight": np.zeros((len(vocabulary), 3), np.float32),
        "dense": np.zeros((WIDTH, 3), np.float32),
    }
    shape = Lexical.build(
        vocabulary, {"idf": idf, "mean": mean, "scale": scale, "bias": np.zeros(3, np.float32), **empty}
    )
    rows = [shape.row(t.grams) for t in turns]
    ends = np.r_[0, np.cumsum([len(places) for places, _ in rows])]
    data = np.concatenate([np.asarray(v) for _, v in rows])
    places = np.concatenate([np.asarray(p, dtype=np.int64) for p, _ in rows])
    sparse = scipy.sparse.csr_matrix((data, places, ends), shape=(len(turns), len(vocabulary)))
    x = scipy.sparse.hstack([sparse, scipy.sparse.csr_matrix((stacked - mean) * scale)]).tocsr()
    model = LogisticRegression(C=STRENGTH, max_iter=200, tol=1e-3).fit(
        x, [t.level for t in turns], sample_weight=[t.weight for t in turns]
    )
    coefficients = np.zeros((3, x.shape[1]))
    bias = np.full(3, -10.0)
    for row, level in enumerate(model.classes_):
        if len(model.classes_) == 2:  # sklearn keeps one row for two classes
            coefficients[level], bias[level] = (
                (row - 0.5) * 2 * model.coef_[0] / 2,
                (row - 0.5) * 2 * model.intercept_[0] / 2,
            )
        else:
            coefficients[level], bias[level] = model.coef_[row], model.intercept_[row]
    weight = coefficients.T.astype(np.float32)
    learnt = {"idf": idf, "mean": mean, "scale": scale, "bias": bias.astype(np.float32)}
    return Lexical.build(
        vocabulary, {**learnt, "weight": weight[: len(vocabulary)], "dense": weight[len(vocabulary) :]}
    )
