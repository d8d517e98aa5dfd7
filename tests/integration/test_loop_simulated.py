"""The loop in a world whose truth is known: decide, log with propensities, learn uplift, decide better."""

from __future__ import annotations

import pytest

from risk.simulate import run

pytestmark = pytest.mark.integration


def test_the_loop_learns_past_rules_risk_and_chance() -> None:
    first, second, third = run(rounds=3, customers=2500, seed=3)
    assert first.model is None
    assert first.value["learned"] == first.value["rules"]  # nothing learned yet: the same table
    assert third.model not in (None, second.model)
    assert third.value["learned"].value > second.value["learned"].value - 0.1
    for other in ("rules", "risk", "random"):
        assert third.value["learned"].low > third.value[other].high  # the intervals do not overlap
    assert third.value["learned"].value < third.best


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_five_rounds_as_the_command_tells_them() -> None:
    """`staywell simulate`: from the third round on worth more than rules, risk-ranked offers and chance, intervals apart."""
    rounds = run(rounds=5, customers=3000, seed=0)
    assert len(rounds) == 5
    for one in rounds[2:]:
        for other in ("rules", "risk", "random"):
            assert one.value["learned"].low > one.value[other].high
    assert rounds[-1].value["learned"].value > rounds[0].value["learned"].value
