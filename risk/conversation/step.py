"""The conversation model as it is served: numpy only, one step a message.

An ensemble of small GRUs reads, at each message, the message's vector and its turn features. A GRU step is

    r = σ(W_r x + U_r h),  z = σ(W_z x + U_z h),  n = tanh(W_n x + r ⊙ (U_n h + b)),  h' = (1 − z) ⊙ n + z ⊙ h

(Cho et al., 2014, in the variant of torch.nn.GRU, against which the tests hold it). Heads read the new state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from risk.calibration import sigmoid, softmax
from risk.text import WIDTH
from risk.types import Vector

TENSORS = (
    "norm.mean", "norm.scale", "proj.weight", "proj.bias", "gru.weight_ih", "gru.weight_hh", "gru.bias_ih", "gru.bias_hh",
    "level.weight", "level.bias", "ahead.weight", "ahead.bias", "mean.weight", "mean.bias",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """What the heads say after a message."""

    levels: tuple[float, float, float]  # probabilities of dissatisfied, neutral, satisfied
    ahead: float  # probability that one of the next three contact turns is dissatisfied
    sentiment: float  # expected satisfaction with the whole so far, −2..2


class ConversationModel:
    """An ensemble of GRUs with shared shapes. Immutable and thread-safe."""

    def __init__(
        self, members: Sequence[Mapping[str, Vector]], temperature: float, ahead_scale: tuple[float, float]
    ) -> None:
        for member in members:
            missing = [name for name in TENSORS if name not in member]
            if missing:
                raise ValueError(f"the conversation model lacks {', '.join(missing)}")
            if member["norm.mean"].shape != (WIDTH,):
                raise ValueError("the conversation model was trained on other turn features than this version computes")
        self._members = [
            {name: np.ascontiguousarray(member[name], dtype=np.float32) for name in TENSORS} for member in members
        ]
        self._temperature = temperature
        self._ahead_scale = ahead_scale
        self.dim = int(members[0]["proj.weight"].shape[1])
        self.size = int(members[0]["gru.weight_hh"].shape[1])

    def initial(self) -> Vector:
        """The state before the first message, float32 [members, size]."""
        return np.zeros((len(self._members), self.size), dtype=np.float32)

    def advance(self, state: Vector, vector: Vector, features: Vector) -> Vector:
        """The state after one message; `vector` [dim], `features` [WIDTH]. The given state stays as it is."""
        return np.stack([_step(m, h, vector, features) for m, h in zip(self._members, state, strict=True)])

    def logits(self, state: Vector) -> tuple[NDArray[np.float64], float, float]:
        """Mean logits over the ensemble: levels [3], ahead, and the sentiment."""
        levels = np.mean(
            [m["level.weight"] @ h + m["level.bias"] for m, h in zip(self._members, state, strict=True)], axis=0
        )
        ahead = np.mean([m["ahead.weight"] @ h + m["ahead.bias"] for m, h in zip(self._members, state, strict=True)])
        mean = np.mean([m["mean.weight"] @ h + m["mean.bias"] for m, h in zip(self._members, state, strict=True)])
        return levels.astype(np.float64), float(ahead), float(mean)

    def read(self, state: Vector) -> Reading:
        """Calibrated outputs of the heads."""
        levels, ahead, mean = self.logits(state)
        low, mid, high = (float(p) for p in softmax(levels / self._temperature))
        slope, offset = self._ahead_scale
        return Reading((low, mid, high), float(sigmoid(slope * ahead + offset)), float(np.clip(mean, -2, 2)))


def _step(m: Mapping[str, Vector], h: Vector, vector: Vector, features: Vector) -> Vector:
    size = h.shape[0]
    scaled = (features - m["norm.mean"]) * m["norm.scale"]
    x = np.concatenate([np.maximum(m["proj.weight"] @ vector + m["proj.bias"], 0), scaled])
    gi = m["gru.weight_ih"] @ x + m["gru.bias_ih"]
    gh = m["gru.weight_hh"] @ h + m["gru.bias_hh"]
    r = _sigmoid(gi[:size] + gh[:size])
    z = _sigmoid(gi[size : 2 * size] + gh[size : 2 * size])
    n = np.tanh(gi[2 * size :] + r * gh[2 * size :])
    return np.asarray((1 - z) * n + z * h, dtype=np.float32)


def _sigmoid(x: Vector) -> Vector:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)), dtype=np.float32)
