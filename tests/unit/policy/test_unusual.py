from __future__ import annotations

from assistant.policy.unusual import RULE, as_features, of_features
from risk.anomaly.detector import NOTHING, Judgement, Signal

RETURNS = Signal("returns_month", 2.0, 0.035)
BURST = Signal("order_burst", 9.0, 0.001)


def test_what_stood_out_is_told_the_rarest_first() -> None:
    told = of_features(as_features(Judgement(2.1, 0.004, unusual=True, signals=(RETURNS, BURST))), [RULE])
    assert told is not None
    assert (told["rarity"], told["gated"]) == (0.004, True)
    assert [signal["code"] for signal in told["signals"]] == ["order_burst", "returns_month"]
    assert told["signals"][1]["words"]["en"] == "Returns in the last 30 days: 2 (as many or more: 3.5 % of customers)"


def test_of_what_one_in_thirty_does_nothing_is_said() -> None:
    told = of_features(as_features(Judgement(0.2, 0.035, unusual=False, signals=(RETURNS,))), [])
    assert told == {"rarity": 0.035, "gated": False, "signals": []}


def test_a_decision_without_the_detector_says_nothing() -> None:
    assert of_features({}, []) is None
    assert of_features(as_features(NOTHING), []) == {"rarity": 1.0, "gated": False, "signals": []}
