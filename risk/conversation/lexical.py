"""A linear reading of a turn: its characters, its vector and its features.

Character n-grams (1 to 4, with the turn's ends marked), TF-IDF weighted, keep what an encoder smooths away ("没" or "了", one
"?" more). Beside them stand the turn's vector and its features, into a multinomial logistic regression, one for each habit of
annotators (`risk.conversation.habits`). Served in numpy from a vocabulary and matrices.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk import cues
from risk.conversation.knobs import Knobs
from risk.conversation.mixing import centred, marginal
from risk.text import WIDTH
from risk.types import Vector

MAX_CHARS = 120  # of a turn: what follows changes no reading, and bounds the cost
LONGEST = 4
TRUSTED = 0.3  # share of a text's weight that the vocabulary must know before the reading counts fully
MIN_TURNS = 2  # an n-gram must be in so many turns
PARTS = ("idf", "weight", "mean", "scale", "dense", "vector_mean", "vector_scale", "vector", "bias", "prior")


def grams(text: str) -> Counter[str]:
    """Character n-grams of a text, its ends marked by ^ and $."""
    marked = f"^{cues.normalise(text)[:MAX_CHARS]}$"
    return Counter(marked[i : i + n] for n in range(1, LONGEST + 1) for i in range(len(marked) - n + 1))


@dataclass(frozen=True, slots=True)
class Lexical:
    """`vocabulary[i]` has inverse document frequency `idf[i]`; weights are [.., habits, 3], `prior` [habits] adds to 1."""

    vocabulary: tuple[str, ...]
    idf: Vector
    weight: Vector  # [len(vocabulary), habits, 3]
    mean: Vector  # [WIDTH]
    scale: Vector  # [WIDTH]
    dense: Vector  # [WIDTH, habits, 3]
    vector_mean: Vector  # [dim]
    vector_scale: Vector  # [dim]
    vector: Vector  # [dim, habits, 3]
    bias: Vector  # [habits, 3]
    prior: Vector  # [habits]
    index: dict[str, int]

    @staticmethod
    def build(vocabulary: Sequence[str], tensors: Mapping[str, Vector]) -> Lexical:
        """From stored parts; raises ValueError when their shapes do not fit together."""
        missing = [name for name in PARTS if name not in tensors]
        if missing:
            raise ValueError(f"the linear reader lacks {', '.join(missing)}")
        size, habits, dim = len(vocabulary), len(tensors["prior"]), len(tensors["vector_mean"])
        shapes = {
            "idf": (size,),
            "weight": (size, habits, 3),
            "mean": (WIDTH,),
            "scale": (WIDTH,),
            "dense": (WIDTH, habits, 3),
            "vector_mean": (dim,),
            "vector_scale": (dim,),
            "vector": (dim, habits, 3),
            "bias": (habits, 3),
            "prior": (habits,),
        }
        for name, shape in shapes.items():
            if tensors[name].shape != shape:
                raise ValueError(f"the linear reader's {name} has shape {tensors[name].shape}, not {shape}")
        return Lexical(
            tuple(vocabulary), **{n: tensors[n] for n in PARTS}, index={g: i for i, g in enumerate(vocabulary)}
        )

    def tensors(self) -> dict[str, Vector]:
        """What `build` needs beside the vocabulary."""
        return {n: getattr(self, n) for n in PARTS}

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

    def by_habit(self, counts: Counter[str], features: Vector, vector: Vector) -> NDArray[np.float64]:
        """Level logits of one turn for each habit, float64 [habits, 3], each row centred."""
        places, values = self.row(counts)
        logits = self.bias.astype(np.float64)
        if places:
            logits = logits + np.tensordot(np.asarray(values, dtype=np.float32), self.weight[places], 1)
        logits = logits + np.tensordot((features - self.mean) * self.scale, self.dense, 1)
        logits = logits + np.tensordot((vector - self.vector_mean) * self.vector_scale, self.vector, 1)
        return centred(logits)

    def logits(self, counts: Counter[str], features: Vector, vector: Vector) -> NDArray[np.float64]:
        """Level logits [3] of one turn, whoever annotates it; centred, so that they add to 0."""
        return marginal(self.by_habit(counts, features, vector), self.prior)


NO_VECTOR: Vector = np.zeros(0, np.float32)  # for a reader that knows characters and features only
_ONE: Vector = np.ones(1, np.float32)


@dataclass(frozen=True)
class Turn:
    """One contact turn as the linear reader sees it; `level` −1 where nobody labelled it."""

    text: str
    features: Vector
    vector: Vector
    level: int = -1
    weight: float = 1.0
    group: int = 0  # the conversation, for the habits

    @cached_property
    def grams(self) -> Counter[str]:
        """Counted once, however many folds read the turn."""
        return grams(self.text)


@dataclass(frozen=True, slots=True)
class Space:
    """Labelled turns as rows of numbers: n-grams, features, vector. Made once, however often readers are fitted on it."""

    vocabulary: tuple[str, ...]
    scaling: dict[str, Vector]
    x: Any  # csr [turns, columns]
    level: NDArray[np.int64]
    weight: NDArray[np.float64]

    @staticmethod
    def of(turns: Sequence[Turn], knobs: Knobs) -> Space:
        """Vocabulary and scaling are learnt from these turns."""
        import scipy.sparse

        seen: Counter[str] = Counter()
        for turn in turns:
            seen.update(turn.grams.keys())
        vocabulary = tuple(sorted(gram for gram, count in seen.items() if count >= MIN_TURNS))
        features, vectors = np.stack([t.features for t in turns]), np.stack([t.vector for t in turns])
        scaling = {
            "idf": np.array([1 + math.log((1 + len(turns)) / (1 + seen[g])) for g in vocabulary], dtype=np.float32),
            "mean": features.mean(0).astype(np.float32),
            "scale": (knobs.feature_weight / np.maximum(features.std(0), 0.05)).astype(np.float32),
            "vector_mean": vectors.mean(0).astype(np.float32),
            "vector_scale": (knobs.vector_weight / np.maximum(vectors.std(0), 0.01)).astype(np.float32),
        }
        blank = _reader(
            vocabulary, scaling, np.zeros((len(vocabulary) + WIDTH + vectors.shape[1], 1, 3)), np.zeros((1, 3))
        )
        rows = [blank.row(t.grams) for t in turns]
        ends = np.r_[0, np.cumsum([len(places) for places, _ in rows])]
        data = np.concatenate([np.asarray(v) for _, v in rows])
        places = np.concatenate([np.asarray(p, dtype=np.int64) for p, _ in rows])
        sparse = scipy.sparse.csr_matrix((data, places, ends), shape=(len(turns), len(vocabulary)))
        dense = np.hstack([(features - blank.mean) * blank.scale, (vectors - blank.vector_mean) * blank.vector_scale])
        x = scipy.sparse.hstack([sparse, scipy.sparse.csr_matrix(dense)]).tocsr()
        level, weight = np.array([t.level for t in turns]), np.array([t.weight for t in turns], np.float64)
        return Space(vocabulary, scaling, x, level, weight)

    def fit(self, shares: NDArray[np.float64], strength: float) -> Lexical:
        """A reader for each column of `shares` [turns, habits]: how likely the habit made the label. Deterministic."""
        learnt = [self._regression(self.weight * share, strength) for share in shares.T]
        prior = (self.weight[:, None] * shares).sum(0)
        coefficients, bias = (np.stack(part, axis=-2) for part in zip(*learnt, strict=True))
        return _reader(self.vocabulary, self.scaling, coefficients, bias, (prior / prior.sum()).astype(np.float32))

    def read(self, reader: Lexical) -> NDArray[np.float64]:
        """Level logits of the turns themselves under each habit, float64 [turns, habits, 3]."""
        weights = np.concatenate([reader.weight, reader.dense, reader.vector])
        columns, habits, _ = weights.shape
        return np.asarray(self.x @ weights.reshape(columns, -1)).reshape(-1, habits, 3) + reader.bias

    def _regression(self, weight: NDArray[np.float64], strength: float) -> tuple[NDArray[Any], NDArray[Any]]:
        """Coefficients [columns, 3] and bias [3] of one weighted logistic regression; an absent level is never said."""
        from sklearn.linear_model import LogisticRegression

        coefficients, bias = np.zeros((self.x.shape[1], 3), np.float32), np.full(3, -10.0, np.float32)
        known = np.unique(self.level)
        if len(known) == 1:  # nothing to tell apart
            bias[known[0]] = 0.0
            return coefficients, bias
        model = LogisticRegression(C=strength, max_iter=100, tol=5e-3).fit(self.x, self.level, sample_weight=weight)
        for row, level in enumerate(model.classes_):
            if len(known) == 2:  # scikit-learn keeps one row for two classes
                coefficients[:, level], bias[level] = (row - 0.5) * model.coef_[0], (row - 0.5) * model.intercept_[0]
            else:
                coefficients[:, level], bias[level] = model.coef_[row], model.intercept_[row]
        return coefficients, bias


def _reader(
    vocabulary: tuple[str, ...],
    scaling: Mapping[str, Vector],
    coefficients: NDArray[Any],
    bias: NDArray[Any],
    prior: Vector = _ONE,
) -> Lexical:
    """From coefficients [n-grams + WIDTH + dim, habits, 3]."""
    grams_, dense, vector = np.split(coefficients.astype(np.float32), [len(vocabulary), len(vocabulary) + WIDTH])
    learnt = {"weight": grams_, "dense": dense, "vector": vector, "bias": bias.astype(np.float32), "prior": prior}
    return Lexical.build(vocabulary, {**scaling, **learnt})


def fit(turns: Sequence[Turn], shares: NDArray[np.float64] | None = None, knobs: Knobs | None = None) -> Lexical:
    """Learn from labelled turns; without `shares` all annotators have one habit."""
    chosen = knobs or Knobs()
    return Space.of(turns, chosen).fit(np.ones((len(turns), 1)) if shares is None else shares, chosen.strength)
