"""Which conversations were left to ordinary service, and how likely that was: the weights of the risk model's training rows.

A treatment is an offer, an escalation that the policy chose, or a script marked as one. What a service rule forces (a person for
whoever asks for one) falls on everybody alike and is no treatment. A conversation is untreated when none of its decisions was a
treatment; the chance of that is the product over its decisions of 1 − the probability that a treatment would be drawn, and its
weight the inverse (Horvitz and Thompson, 1952), cut at `MOST`: a little bias against a lot of variance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from risk.ope import kind_of

MOST: Final = 20.0


@dataclass(frozen=True, slots=True)
class Treatment:
    """Whether a conversation was treated, and what an untreated one weighs."""

    treated: bool
    weight: float


def of(decisions: Sequence[Mapping[str, Any]]) -> Treatment:
    """Over the decisions of one conversation, rows of `staywell export decisions`."""
    spared = 0.0
    treated = False
    for row in decisions:
        if _forced(row):
            continue
        marked = {c.get("action") for c in row.get("candidates") or () if isinstance(c, Mapping) and c.get("treatment")}
        treated |= _treats(str(row["action"]), marked)
        chance = math.fsum(
            float(p) for action, p in zip(row["eligible"], row["probabilities"], strict=True) if _treats(action, marked)
        )
        spared += math.log(max(1e-12, 1.0 - chance))
    return Treatment(treated, min(MOST, math.exp(-spared)))


def _forced(row: Mapping[str, Any]) -> bool:
    return len(row["eligible"]) == 1 and bool(row.get("overrides"))


def _treats(action: str, marked: set[Any]) -> bool:
    return kind_of(action) in ("offer", "escalate") or action in marked
