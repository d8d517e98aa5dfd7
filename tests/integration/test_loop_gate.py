"""The loop over a shop whose truth is known.

An honest challenger passes. Then the shop treats whoever is likely to leave, and a treatment keeps most of them: who learns from
the treated as if they had been left alone drifts, and is caught by what is known of the others. So is, unless it is hardly worse,
who learns from poisoned labels.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from assistant.loop import gating, once
from retrieval.encoders import load
from risk import registry
from risk.dataset import files
from risk.gate import Limits, Verdict
from risk.world.shop import draw
from tests.tools.logged_world import dataset

pytestmark = [pytest.mark.integration, pytest.mark.long, pytest.mark.timeout(3000)]

LIMITS = Limits(p95_ms=1000.0)


def rarely(_churn: float) -> float:
    return 0.1


def high_risk(churn: float) -> float:
    """Most of those who are likely to leave get the offer."""
    return 0.7 if churn > 0.5 else 0.05


def figures(verdict: Verdict) -> dict[str, Any]:
    return {check.name: check.figure for check in verdict.checks}


def test_honest_challengers_pass_and_naive_ones_are_caught(tmp_path: Path) -> None:
    shop, encoder = draw(4000, 0)["train"], load("use")
    settings = once.Settings(tmp_path / "models", tmp_path / "training", tmp_path / "cache", encoder, limits=LIMITS)
    registry.adopt(settings.registry)

    def trained(learnt_from: files.Dataset) -> str:
        """A challenger, by a whole turn of the loop."""
        started = time.monotonic()
        found = once.turn(learnt_from, settings, lambda _stage, _done, _total: None)
        seconds = time.monotonic() - started
        print(f"{found['counts']['cases']} conversations, {found['trained_on']} learnt from, {seconds:.0f} s")
        return str(found["challenger"])

    def judged(challenger: str, by: files.Dataset) -> Verdict:
        """Against the champion, by customers whom it has not met and who were left alone."""
        verdict = gating.judge(by, settings.registry, challenger, encoder, cache=settings.cache, limits=LIMITS)
        print(challenger, {check.name: (check.passed, check.figure) for check in verdict.checks})
        return verdict

    quiet = dataset(settings.training, shop, rarely)
    honest = trained(quiet)
    verdict = judged(honest, quiet)
    assert verdict.passed
    assert figures(verdict)["ap"].low > 0
    registry.promote(settings.registry, honest, reason="gate passed")

    busy = dataset(settings.training, shop, high_risk, seed=1)
    weighted = judged(trained(busy), busy)
    naive = judged(trained(dataset(settings.training, shop, high_risk, naive=True, seed=1)), busy)
    assert not naive.passed
    assert figures(naive)["brier"].value > figures(weighted)["brier"].value
    assert figures(naive)["ap"].value < figures(weighted)["ap"].value

    poisoned = judged(trained(dataset(settings.training, shop, rarely, poisoned=0.05, seed=2)), quiet)
    assert not poisoned.passed or figures(poisoned)["ap"].value > -0.01
