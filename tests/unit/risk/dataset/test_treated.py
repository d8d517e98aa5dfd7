from __future__ import annotations

from typing import Any

import pytest

from risk.dataset.treated import MOST, of


def row(action: str, chances: dict[str, float], **more: Any) -> dict[str, Any]:
    return {"action": action, "eligible": list(chances), "probabilities": list(chances.values())} | more


def test_untreated_weighs_the_inverse_of_its_chance() -> None:
    found = of([row("reply:a", {"reply:a": 0.6, "offer:x": 0.3, "escalate": 0.1}), row("reply:a", {"reply:a": 1.0})])
    assert not found.treated
    assert found.weight == pytest.approx(1 / 0.6)


def test_one_treatment_makes_the_conversation_treated() -> None:
    assert of([row("reply:a", {"reply:a": 1.0}), row("offer:x", {"reply:a": 0.5, "offer:x": 0.5})]).treated


def test_a_rule_that_calls_a_person_is_service() -> None:
    found = of([row("escalate", {"escalate": 1.0}, overrides=["asks_for_human"])])
    assert not found.treated
    assert found.weight == 1.0


def test_a_script_marked_as_treatment_is_one() -> None:
    candidates = [{"id": "s", "action": "reply:win", "treatment": True}]
    found = of([row("reply:win", {"reply:win": 0.5, "reply:a": 0.5}, candidates=candidates)])
    assert found.treated
    assert found.weight == pytest.approx(2.0)


def test_weights_are_cut() -> None:
    assert of([row("reply:a", {"reply:a": 0.001, "offer:x": 0.999})]).weight == MOST
