"""What the detector of unusual behaviour said, in the decision log and back out of it. Pure.

It stands beside the churn score and is never mixed into it: its only effect is that no offer is made (`abuse_unusual`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from risk.anomaly.detector import Judgement
from risk.anomaly.signals import SIGNALS
from risk.anomaly.words import in_words

RULE: Final = "abuse_unusual"
_RARITY: Final = "policy.anomaly.rarity"
_VALUE: Final = "policy.anomaly.{}.value"
_SHARE: Final = "policy.anomaly.{}.share"


def as_features(judged: Judgement) -> dict[str, float | None]:
    """For the decision's served features: how rare such behaviour is, and, where that is unusual, each signal that stood out.

    Of one customer in thirty nothing is said: two broken kettles sent back are bad luck.
    """
    features: dict[str, float | None] = {_RARITY: judged.rarity}
    for signal in judged.signals if judged.unusual else ():
        features[_VALUE.format(signal.code)] = signal.value
        features[_SHARE.format(signal.code)] = signal.share
    return features


def of_features(features: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any] | None:
    """`{rarity, gated, signals: [{code, value, share, words: {en, zh}}]}` of a decision, the rarest signal first; None where the
    detector was not asked. `gated`: it kept an offer from being made."""
    rarity = features.get(_RARITY)
    if rarity is None:
        return None
    found = [(code, features.get(_VALUE.format(code)), features.get(_SHARE.format(code))) for code in SIGNALS]
    told = sorted(((code, v, s) for code, v, s in found if v is not None and s is not None), key=lambda t: t[2])
    return {
        "rarity": rarity,
        "gated": RULE in overrides,
        "signals": [{"code": c, "value": v, "share": s, "words": in_words(c, v, s)} for c, v, s in told],
    }
