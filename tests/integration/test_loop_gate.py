"""The loop over a shop whose truth is known.

An honest challenger passes; one that learnt from treated customers as if they had been left alone is refused; one that learnt from
poisoned labels is refused too, or hardly worse.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assistant.loop import once
from retrieval.encoders import load
from risk import registry
from risk.gate import Limits
from risk.world.shop import draw
from tests.tools.logged_world import dataset

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(3000)]

LIMITS = Limits(p95_ms=1000.0)


def rarely(_churn: float) -> float:
    return 0.1


def high_risk(churn: float) -> float:
    """Whoever is likely to leave gets the offer, nearly always."""
    return 0.9 if churn > 0.5 else 0.02


def figure(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in found["gate"]["checks"] if check["name"] == name)


def test_honest_challengers_pass_and_naive_ones_are_caught(tmp_path: Path) -> None:
    shop = draw(4000, 0)["train"]
    settings = once.Settings(tmp_path / "models", tmp_path / "training", tmp_path / "cache", load("use"), limits=LIMITS)
    registry.adopt(settings.registry)

    def turn(**options: Any) -> dict[str, Any]:
        found = once.turn(dataset(settings.training, shop, **options), settings, lambda _stage, _done, _total: None)
        print({check["name"]: (check["passed"], check["figure"]) for check in found["gate"]["checks"]})
        return found

    honest = turn(chance=rarely)
    assert honest["gate"]["passed"]
    assert figure(honest, "ap")["figure"]["low"] > 0
    registry.promote(settings.registry, honest["challenger"], reason="gate passed")

    naive = turn(chance=high_risk, naive=True, seed=1)
    assert not naive["gate"]["passed"]
    weighted = turn(chance=high_risk, seed=1)
    assert figure(weighted, "brier")["figure"]["value"] < figure(naive, "brier")["figure"]["value"]

    poisoned = turn(chance=rarely, poisoned=0.05, seed=2)
    assert not poisoned["gate"]["passed"] or figure(poisoned, "ap")["figure"]["value"] > -0.01
