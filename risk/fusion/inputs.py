"""What the fusion sees of a conversation: bounded, causal, and one small step a message.

Two layers. The **chat row** is what the fused model reads: readings of the conversation model, reasons, turn features, and its
hidden state compressed to `STATE` numbers. The **wide row** is what the text branch reads: the chat row and three vectors in one
smaller basis: the mean of the contact's messages, the last of them, and the last reply before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from risk import text
from risk.calibration import logit
from risk.conversation.step import ConversationState, Reading
from risk.reason_words import REASONS
from risk.types import Vector

STATE: Final = 12  # numbers that the hidden state is compressed to
READINGS: Final = (
    "dissatisfaction", "ahead", "whole", "sentiment", "smoothed", "peak", "leaving", "human", "repeats",
)  # fmt: skip
CHAT: Final[tuple[str, ...]] = (
    *READINGS,
    *(f"reason_{reason}" for reason in REASONS),
    *(f"turn_{name}" for name in text.FEATURES),
    *(f"state_{n}" for n in range(STATE)),
)
SURFACE: Final = slice(len(READINGS) + len(REASONS), len(READINGS) + len(REASONS) + text.WIDTH)
PARTS: Final = ("mean", "last", "reply")

Floats = NDArray[np.float64]


class Heard(Protocol):
    """What `row` reads of the served state after a contact message."""

    @property
    def conversation(self) -> ConversationState: ...
    @property
    def reading(self) -> Reading: ...
    @property
    def smoothed(self) -> float: ...
    @property
    def leaving(self) -> float: ...
    @property
    def human(self) -> float: ...
    @property
    def repeats(self) -> float: ...
    @property
    def reasons(self) -> tuple[float, ...]: ...


@dataclass(frozen=True, slots=True)
class Projection:
    """Principal axes of message vectors (`basis` [k, dim], `centre` [dim]) and hidden states (`axes` [STATE, h], `origin` [h])."""

    basis: Vector
    centre: Vector
    axes: Vector
    origin: Vector

    @staticmethod
    def of(tensors: Mapping[str, NDArray[Any]]) -> Projection:
        """From an artefact's parts; raises KeyError or ValueError when they do not fit together."""
        found = Projection(*(np.asarray(tensors[name], np.float32) for name in ("basis", "centre", "axes", "origin")))
        if found.basis.ndim != 2 or found.basis.shape[1:] != found.centre.shape:
            raise ValueError("the basis of the fusion's vectors has another length than its centre")
        if found.axes.shape != (STATE, *found.origin.shape):
            raise ValueError("the axes of the fusion's hidden state have another shape than this version's")
        return found

    def tensors(self) -> dict[str, Vector]:
        """What `of` needs."""
        return {name: getattr(self, name) for name in ("basis", "centre", "axes", "origin")}

    def vector(self, vector: Vector) -> Vector:
        """A message's vector compressed, float32 [..., k]."""
        return np.asarray((vector - self.centre) @ self.basis.T, np.float32)

    def hidden(self, hidden: Vector) -> Vector:
        """Hidden states [..., h] compressed, float32 [..., STATE]."""
        return np.asarray((hidden - self.origin) @ self.axes.T, np.float32)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a conversation leaves behind: sums and last ones, never the turns themselves."""

    total: Vector  # [k] sum over the contact's messages
    last: Vector  # [k]
    reply: Vector  # [k] 0 before the first reply
    count: int = 0
    peak: float = -np.inf  # highest logit of dissatisfaction so far

    @staticmethod
    def empty(size: int) -> Summary:
        """Before the first message."""
        nothing = np.zeros(size, np.float32)
        return Summary(nothing, nothing, nothing)

    def replied(self, vector: Vector) -> Summary:
        """After a reply; `vector` [k] compressed."""
        return replace(self, reply=vector)

    def said(self, vector: Vector, dissatisfaction: float) -> Summary:
        """After a contact message; `vector` [k] compressed, `dissatisfaction` the reading's probability."""
        peak = max(self.peak, float(logit(dissatisfaction)))
        return replace(self, total=self.total + vector, last=vector, count=self.count + 1, peak=peak)

    def vectors(self) -> Vector:
        """Mean of the contact's messages, the last of them, the last reply: float32 [3 k], after at least one contact message."""
        return np.concatenate([self.total / self.count, self.last, self.reply])

    def wide(self, row: Floats) -> Floats:
        """The wide row, float64 [3 k + len(CHAT)], after at least one contact message."""
        return np.concatenate([self.vectors(), row])


def row(heard: Heard, features: Vector, state: Vector, peak: float) -> Floats:
    """The chat row after a contact message, float64 [len(CHAT)]; `features` of the turn, `state` the hidden state compressed."""
    reading = heard.reading
    whole = reading.whole[0]
    return np.array(
        [
            float(logit(reading.dissatisfaction)),
            float(logit(reading.ahead)),
            float(logit(whole)),
            reading.sentiment,
            float(logit(heard.smoothed)),
            peak,
            heard.leaving,
            heard.human,
            heard.repeats,
            *heard.reasons,
            *features.tolist(),
            *state.tolist(),
        ],
        dtype=np.float64,
    )
