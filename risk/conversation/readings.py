"""Readings of labelled conversations, from wherever they come, and the figures made of them.

Data in USS's form close a conversation with a rating of the whole. It is a labelled row of the file, and figures published
on such data count it; here it is answered by the head for the whole after the last message. `turns_only` leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk.calibration import sigmoid
from risk.conversation.data import DISSATISFIED, Conversation, upcoming
from risk.metrics import accuracy, auc, average_precision, bootstrap, calibration_error, macro_f1

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def targets(conversation: Conversation, *, alone: bool = False) -> list[tuple[int, int, int]]:
    """For each message (level, ahead, whole), −1 where there is none; `whole` stands at the last contact message.

    A label of the whole without labelled turns is another task (and another scale) than a closing rating: it only counts when
    it stands `alone`, in data where no turn is labelled.
    """
    ahead = upcoming(conversation.levels)
    last = max((i for i, m in enumerate(conversation.messages) if m.role == "contact"), default=-1)
    closing = conversation.level if alone or any(level is not None for level in conversation.levels) else None
    return [
        (
            -1 if level is None else level,
            -1 if coming is None else int(coming),
            closing if closing is not None and i == last else -1,
        )
        for i, (level, coming) in enumerate(zip(conversation.levels, ahead, strict=True))
    ]


@dataclass(frozen=True, slots=True)
class Readings:
    """One row a labelled turn (and, at the end of a conversation, one for its closing rating)."""

    levels: Floats  # [n, 3] probabilities
    bad: Floats  # [n] calibrated probability of dissatisfaction
    ahead: Floats  # [n] probability that one of the next three labelled turns is dissatisfied
    truth: Ints  # [n] 0, 1, 2
    truth_ahead: Ints  # [n] 0, 1, or −1
    conversation: Ints  # [n]
    closing: NDArray[np.bool_]  # [n]

    @staticmethod
    def of_logits(
        levels: Floats, bad: Floats, ahead: Floats, whole: Floats, level: Ints, coming: Ints, closing: Ints, group: Ints
    ) -> Readings:
        """From rows of contact turns: `bad` and `ahead` as logits; `level`, `coming`, `closing` −1 where unlabelled."""
        turn, end = level >= 0, closing >= 0
        return Readings(
            levels=np.concatenate([levels[turn], whole[end]]),
            bad=np.concatenate([sigmoid(bad[turn]), whole[end, DISSATISFIED]]),
            ahead=np.concatenate([sigmoid(ahead[turn]), np.zeros(int(end.sum()))]),
            truth=np.concatenate([level[turn], closing[end]]),
            truth_ahead=np.concatenate([coming[turn], np.full(int(end.sum()), -1)]),
            conversation=np.concatenate([group[turn], group[end]]),
            closing=np.concatenate([np.zeros(int(turn.sum()), bool), np.ones(int(end.sum()), bool)]),
        )

    def turns_only(self) -> Readings:
        """Without closing ratings."""
        return self.where(~self.closing)

    def where(self, keep: NDArray[np.bool_]) -> Readings:
        """The rows that a mask keeps."""
        return Readings(*(getattr(self, field.name)[keep] for field in fields(self)))


def measure(readings: Readings, *, seed: int = 0, rounds: int = 300) -> dict[str, Any]:
    """Figures with 95 % intervals over conversations."""
    bad = (readings.truth == DISSATISFIED).astype(float)
    guess = readings.levels.argmax(1)
    known = readings.truth_ahead >= 0

    def of(figure: Callable[[Ints], float]) -> dict[str, float | None]:
        return bootstrap(figure, readings.conversation, seed=seed, rounds=rounds).as_json()

    return {
        "n": len(bad),
        "accuracy": of(lambda i: accuracy(guess[i], readings.truth[i])),
        "macro_f1": of(lambda i: macro_f1(guess[i], readings.truth[i])),
        "dissatisfied_auc": of(lambda i: auc(readings.bad[i], bad[i])),
        "dissatisfied_ap": of(lambda i: average_precision(readings.bad[i], bad[i])),
        "forecast_auc": of(lambda i: auc(readings.ahead[i][known[i]], readings.truth_ahead[i][known[i]])),
        "ece": of(lambda i: calibration_error(readings.bad[i], bad[i])),
    }
