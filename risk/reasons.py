"""Why: a head on the turn's vector for each reason, and how reasons add up over a conversation.

The head is weakly supervised: it learns the labels that patterns give to customers' real turns, plus hand-written
examples, so that it also recognises what no pattern names. A reason that was given stays, fading a little each turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from risk import cues
from risk.calibration import sigmoid
from risk.reason_words import EXAMPLES, NEUTRAL, PATTERNS, REASONS
from risk.types import Vector

PATTERN_WEIGHT = 0.6  # a pattern's own word: half the truth, as it stands without its sentence
FADE = 0.9  # a turn
THRESHOLD = 0.5  # reported above this
EXAMPLE_WEIGHT = 20.0  # an example is certain, a pattern's label is a guess
NEUTRAL_WEIGHT = 4.0


def patterns(text: str) -> NDArray[np.float64]:
    """1 where a reason's pattern is found in the text, float64 [8]."""
    clean = cues.normalise(text)
    return np.array([1.0 if PATTERNS[r].search(clean) else 0.0 for r in REASONS])


@dataclass(frozen=True, slots=True)
class ReasonHead:
    """`weight` float32 [8, d], `bias` [8]; σ(weight · vector + bias) is each reason's probability in one turn."""

    weight: Vector
    bias: Vector

    def turn(self, vector: Vector, text: str) -> NDArray[np.float64]:
        """Reasons given in one turn, float64 [8]: the head and the patterns as two witnesses (noisy or)."""
        head = sigmoid(self.weight @ vector + self.bias)
        return np.asarray(1 - (1 - head) * (1 - PATTERN_WEIGHT * patterns(text)))

    @staticmethod
    def together(before: Sequence[float], turn: NDArray[np.float64]) -> tuple[float, ...]:
        """Reasons of the conversation after a turn: the stronger of the faded past and the present."""
        return tuple(float(v) for v in np.maximum(FADE * np.asarray(before), turn))


def above_threshold(probabilities: Sequence[float]) -> tuple[tuple[str, float], ...]:
    """(reason, probability) above the threshold, most likely first."""
    found = [(r, float(p)) for r, p in zip(REASONS, probabilities, strict=True) if p >= THRESHOLD]
    return tuple(sorted(found, key=lambda item: -item[1]))


def texts() -> list[str]:
    """Hand-written texts that training needs vectors for."""
    return [t for r in REASONS for t in EXAMPLES[r]] + list(NEUTRAL)


def train(turns: Sequence[str], lookup: dict[str, Vector], seed: int) -> tuple[ReasonHead, dict[str, float]]:
    """One logistic head a reason from customers' turns; also the AUC against the patterns' labels, out of fold.

    That figure says how well the head generalises the patterns, not how true they are.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_predict

    from risk.metrics import auc

    real = sorted(set(turns))
    labels = np.stack([patterns(t) for t in real])
    examples = [(t, i) for i, r in enumerate(REASONS) for t in EXAMPLES[r]]
    x = np.stack([lookup[t] for t in [*real, *(t for t, _ in examples), *NEUTRAL]])
    weight = np.r_[np.ones(len(real)), np.full(len(examples), EXAMPLE_WEIGHT), np.full(len(NEUTRAL), NEUTRAL_WEIGHT)]
    weights, biases, scores = [], [], {}
    for i, reason in enumerate(REASONS):
        given = np.array([float(j == i) or patterns(t)[i] for t, j in examples])
        y = np.r_[labels[:, i], given, np.zeros(len(NEUTRAL))]
        model = LogisticRegression(C=3.0, max_iter=400, random_state=seed)
        if len(np.unique(labels[:, i])) == 2 and labels[:, i].sum() >= 5:
            out = cross_val_predict(model, x[: len(real)], labels[:, i], cv=5, method="predict_proba")[:, 1]
            scores[reason] = round(auc(out, labels[:, i]), 4)
        model.fit(x, y, sample_weight=weight)
        weights.append(model.coef_[0])
        biases.append(model.intercept_[0])
    return ReasonHead(np.asarray(weights, np.float32), np.asarray(biases, np.float32)), scores
