"""What moved a score: history features by SHAP values, turns by the change that they brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from risk.calibration import sigmoid
from risk.history.features import DRIVERS, FEATURES
from risk.history.model import HistoryScore
from risk.types import Driver

KEPT_TURNS = 6  # turns remembered in a state: those that moved the score most
SHOWN = 4  # drivers of each kind


@dataclass(frozen=True, slots=True)
class Move:
    """How far one contact message moved the conversation's shift of the churn logit."""

    seq: int
    change: float


def remember(moves: Sequence[Move], move: Move) -> tuple[Move, ...]:
    """The strongest moves so far, in the order of the conversation; bounded."""
    kept = sorted([*moves, move], key=lambda m: (-abs(m.change), m.seq))[:KEPT_TURNS]
    return tuple(sorted(kept, key=lambda m: m.seq))


def turn_drivers(moves: Sequence[Move], churn_logit: float) -> list[Driver]:
    """The turns that moved the score most, strongest first. `effect`: probability lost if the move had not been made."""
    now = float(sigmoid(churn_logit))
    drivers = [Driver("turn", "turn", now - float(sigmoid(churn_logit - m.change)), seq=m.seq) for m in moves]
    return sorted((d for d in drivers if abs(d.effect) >= 0.005), key=lambda d: -abs(d.effect))[:SHOWN]


def history_drivers(history: HistoryScore, churn_logit: float) -> list[Driver]:
    """The facts of the history that moved the score most. `effect`: probability lost without the fact's SHAP share.

    Features that say the same thing speak as one, see `risk.history.features.DRIVERS`; their SHAP values add up. SHAP values are
    in logits (Lundberg et al., 2020); they are carried into probability at the score's own place.
    """
    if not history.known:
        return []
    shares = dict.fromkeys(DRIVERS.values(), 0.0)
    for name, share in zip(FEATURES, history.contributions.tolist(), strict=True):
        if name in DRIVERS:
            shares[DRIVERS[name]] += share
    now = float(sigmoid(churn_logit))
    effects = {code: now - float(sigmoid(churn_logit - share)) for code, share in shares.items()}
    best = [code for code in sorted(effects, key=lambda c: -abs(effects[c])) if abs(effects[code]) >= 0.005][:SHOWN]
    return [Driver("history", code, effects[code], value=history.values[code]) for code in best]
