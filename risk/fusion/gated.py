"""A gated sum of two small readers, in numpy as it is served; `risk.fusion.gated_fit` trains it in torch.

    a = tanh(A x_h + a₀), b = tanh(B x_c + b₀)        history and chat, standardised, 0 where unknown
    g = σ(G [a, b, m_h, m_c] + g₀)                    m: 1 where the side is known at all
    logit = w · (g ⊙ a + (1 − g) ⊙ b) + u_h l_h + u_c l_c + c      l: the branches' own logits

A side that is missing has a or b = 0 and its logit counts nothing, so that an anonymous visitor and an empty chat both score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk.calibration import sigmoid

Floats = NDArray[np.float64]
TENSORS = (
    "history.weight", "history.bias", "chat.weight", "chat.bias", "gate.weight", "gate.bias", "out.weight", "out.bias",
    "logits.weight",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scaling:
    """Standardisation of the fused row: `mean` and `scale` [width], and where its history side ends."""

    mean: Floats
    scale: Floats
    split: int  # columns before it are of the history, the last of them the branch's logit; likewise on the chat side

    def sides(self, rows: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """History [n, split], chat [n, rest], known [n, 2], logits [n, 2] of fused rows; 0 where unknown."""
        h, c = self.split - 1, rows.shape[1] - 1
        known = ~np.isnan(rows[:, [h, c]])
        logits = np.nan_to_num(rows[:, [h, c]])
        x = np.clip(np.nan_to_num((rows - self.mean) * self.scale), -4.0, 4.0)
        return x[:, : self.split], x[:, self.split :], known.astype(np.float64), logits


class GatedSum:
    """An ensemble of trained members. Immutable."""

    def __init__(self, members: Sequence[Mapping[str, NDArray[Any]]], scaling: Scaling) -> None:
        for member in members:
            if any(name not in member for name in TENSORS):
                raise ValueError("the gated sum lacks tensors")
        if not members:
            raise ValueError("the gated sum has no members")
        self._members = [{name: np.asarray(member[name], np.float64) for name in TENSORS} for member in members]
        self._scaling = scaling

    def logits(self, rows: Floats) -> Floats:
        """Uncalibrated logits of fused rows, float64 [n]."""
        history, chat, known, logits = self._scaling.sides(rows)
        each = [_member(m, history, chat, known, logits) for m in self._members]
        return np.asarray(np.mean(each, axis=0))


def _member(m: Mapping[str, Floats], history: Floats, chat: Floats, known: Floats, logits: Floats) -> Floats:
    a = np.tanh(history @ m["history.weight"].T + m["history.bias"]) * known[:, :1]
    b = np.tanh(chat @ m["chat.weight"].T + m["chat.bias"]) * known[:, 1:]
    g = sigmoid(np.concatenate([a, b, known], axis=1) @ m["gate.weight"].T + m["gate.bias"])
    mixed = (g * a + (1 - g) * b) @ m["out.weight"].T + m["out.bias"]
    return np.asarray(mixed[:, 0] + (logits * known) @ m["logits.weight"][0])
