"""Churn before a shop has labels of its own: the history model, shifted by what the conversation shows.

    logit P(churn) = logit P(churn | history)                      (anonymous: the base rate)
                     + a · (logit s − logit s₀)                    s: smoothed dissatisfaction, s₀: its mean in training
                     + b · direction of leaving words              1 away, −1 towards us, fading
                     + c · asked for a person

No public set pairs chats with purchases, so a, b and c are priors, not estimates: they say that a plainly dissatisfied
conversation about trebles the odds of leaving, and that announcing it multiplies them again. They live in a file of the
artefact, are named in the model card, and every score made with them carries `cold_start`. The doubt about them widens
the interval: a third of the shift, either way, at 90 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from risk.calibration import logit, sigmoid


@dataclass(frozen=True, slots=True)
class ColdStart:
    """The priors of the combination."""

    dissatisfaction: float = 0.8  # a
    leaving: float = 2.0  # b
    human: float = 0.2  # c
    base: float = 0.25  # s₀
    limit: float = 3.0  # the shift stays within ± limit logits
    doubt: float = 1 / 3
    smoothing: float = 0.6  # weight of the newest turn in s
    fade: float = 0.9  # of leaving words and of the request for a person, a contact turn

    def shift(self, smoothed: float, leaving: float, human: float) -> float:
        """The conversation's shift of the churn logit."""
        moved = float(
            self.dissatisfaction * (logit(smoothed) - logit(self.base)) + self.leaving * leaving + self.human * human
        )
        return float(np.clip(moved, -self.limit, self.limit))

    def combine(self, point: float, low: float, high: float, shift: float) -> tuple[float, float, float]:
        """History's probability and interval, shifted: (churn, low, high)."""
        doubt = self.doubt * abs(shift)
        churn, lo, hi = sigmoid([logit(point) + shift, logit(low) + shift - doubt, logit(high) + shift + doubt])
        return float(churn), float(min(lo, churn)), float(max(hi, churn))

    @staticmethod
    def need_human(smoothed: float, asked: float, repeats: float) -> float:
        """Need for a person: who asked needs one; otherwise it grows with dissatisfaction and repeated requests (a prior too)."""
        stuck = float(sigmoid(-2.2 + 1.1 * float(logit(smoothed)) - 1.1 * float(logit(0.25)) + 0.7 * repeats))
        return 1 - (1 - 0.97 * min(asked, 1.0)) * (1 - stuck)

    def as_json(self) -> dict[str, float]:
        """As stored in an artefact."""
        return asdict(self)

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> ColdStart:
        """As read from an artefact; raises TypeError or ValueError on anything but its numbers."""
        return ColdStart(**{name: float(value) for name, value in values.items()})
