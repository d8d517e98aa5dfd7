from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.outcomes.invariants import violations
from assistant.policy.decide import VERSION, decide
from assistant.policy.draws import draw_from, seed_for
from assistant.policy.fairness import STRENGTH, FairnessRule, nudge, standing
from assistant.policy.types import Decision, DecisionContext, Option
from risk.fairness import measure

FLOOR, TEMPERATURE = 0.02, 300.0
REPLY = Option("reply:a", "reply", uplift=0.01, cost=400, relevance=0.8)
OFFER = Option("offer:o", "offer", cost=0, relevance=0.8, treatment=True)
RULE = FairnessRule("plan", 0.06)


def test_a_rule_is_read_from_settings_and_nonsense_is_refused() -> None:
    assert FairnessRule.from_settings({}) is None
    assert FairnessRule.from_settings({"by": "plan", "within": 0.06}) == RULE
    for wrong in (
        {"by": "plan"},
        {"within": 0.1},
        {"by": "", "within": 0.1},
        {"by": 3, "within": 0.1},
        {"by": "plan", "within": 0.0},
        {"by": "plan", "within": 1.5},
        {"by": "plan", "within": float("nan")},
        {"by": "plan", "within": "0.1"},
        {"by": "plan", "within": 0.1, "period_days": 0},
        {"by": "plan", "within": 0.1, "least": 0},
        {"by": "plan", "within": 0.1, "groups": ["a"]},
    ):
        with pytest.raises(ValueError, match=r"\w"):
            FairnessRule.from_settings(wrong)


def test_a_group_is_what_the_shop_says_and_nothing_else() -> None:
    assert RULE.group_of({"plan": "student", "age": "20"}) == "plan=student"
    assert RULE.group_of({}) is None
    assert RULE.group_of({"plan": ""}) is None


def test_groups_that_are_too_small_are_not_compared() -> None:
    counts = {"plan=a": (100, 40), "plan=b": (100, 20), "plan=c": (29, 0)}
    found = standing(RULE, "plan=a", counts)
    assert (found.gap, found.ahead) == (pytest.approx(0.2), pytest.approx(0.1))
    assert standing(RULE, "plan=c", counts).gap == 0.0
    assert standing(RULE, "plan=a", {"plan=a": (100, 40)}).gap == 0.0


@given(st.floats(0.001, 1), st.floats(0, 1), st.floats(-0.5, 0.5), st.floats(0.1, 10**6))
def test_a_nudge_is_bounded_and_pulls_towards_the_middle(within: float, gap: float, share: float, t: float) -> None:
    ahead = share * gap  # a group lies between the extremes
    found = nudge(within, gap, ahead, t)
    assert abs(found) <= STRENGTH * t * (1 + 1e-9)
    assert found * ahead <= 0
    if gap <= within / 2:
        assert found == 0.0


def context(nudged: float, likes: float, **changes: Any) -> DecisionContext:
    """A customer for whom an offer is worth `likes` minor units more than an answer."""
    offer = replace(OFFER, uplift=(REPLY.uplift * 10_000 - REPLY.cost + likes) / 10_000)
    calm = DecisionContext(
        options=(REPLY, offer),
        risk=0.8,
        band="high",
        dissatisfaction=0.1,
        need_human=0.1,
        asks_for_human=False,
        safety=None,
        customer_value=10_000,
        holdout=False,
        holder="bot",
        superseded=False,
        bot_replies_in_a_row=0,
        agents_available=0,
        queue_length=0,
        floor=FLOOR,
        temperature=TEMPERATURE,
        verified=True,
        offer_nudge=nudged,
    )
    return replace(calm, **changes)


def logged(made: Decision, number: int, seed: str, who: dict[str, Any]) -> dict[str, Any]:
    """The row that a decision leaves in the log."""
    return {
        "customer_key": f"c{number}", "kind": made.action.kind, "band": "high", "action": made.action.key,
        "eligible": [o.key for o in made.eligible], "probabilities": list(made.probabilities), "values": list(made.values),
        "propensity": made.propensity, "floor": FLOOR, "seed": seed, "overrides": list(made.overrides), "candidates": [],
        "outcomes": [], **who,
    }  # fmt: skip


def served(rule: FairnessRule | None, seed: int, customers: int = 3000) -> list[dict[str, Any]]:
    """A shop's customers, one after another. For those on the gold plan an offer is worth more, and so they would get more."""
    chance = random.Random(seed)
    counts = {"plan=gold": (0, 0), "plan=basic": (0, 0)}
    rows = []
    for number in range(customers):
        group = "plan=gold" if chance.random() < 0.4 else "plan=basic"
        held, verified = chance.random() < 0.05, chance.random() < 0.9
        where = standing(rule or RULE, group, counts)
        moved = 0.0 if held or rule is None else where.nudge(TEMPERATURE)
        seed_of = seed_for(b"secret", f"{seed}-{number}", 1, VERSION)
        likes = 150.0 if group == "plan=gold" else -350.0
        made = decide(context(moved, likes, holdout=held, verified=verified), draw_from(seed_of))
        versions = {"policy": VERSION, "temperature": repr(TEMPERATURE), "group": group, "fairness": str(rule or RULE)}
        features = {
            "policy.fairness.gap": where.gap, "policy.fairness.ahead": where.ahead, "policy.fairness.nudge": moved,
        }  # fmt: skip
        row = logged(made, number, seed_of, {"holdout": held, "versions": versions, "features": features})
        rows.append(row | {"verified": verified})
        wrote, offered = counts[group]
        counts[group] = (wrote + 1, offered + (made.action.kind == "offer"))
    return rows


@pytest.mark.parametrize("seed", range(5))
def test_the_difference_stays_within_the_bound_and_the_log_stays_exact(seed: int) -> None:
    free, fair = served(None, seed), served(RULE, seed)
    apart = measure(free, "group")["offered"].difference
    alike = measure(fair, "group")["offered"]
    assert apart is not None
    assert alike.difference is not None
    assert apart > 0.2
    assert alike.difference <= RULE.within == alike.within
    assert any(row["kind"] == "offer" for row in fair if row["versions"]["group"] == "plan=basic")
    for row in fair:
        assert violations(row) == []  # probabilities to 1e-9 from what was logged, floor, holdout, and the nudge itself
        if row["holdout"] or not row["verified"]:
            assert "offer:o" not in row["eligible"]  # what a rule forbids, no wish for likeness allows
        if row["holdout"]:
            assert row["features"]["policy.fairness.nudge"] == 0.0


def test_the_log_refuses_a_nudge_that_the_rule_does_not_give() -> None:
    row = next(row for row in served(RULE, 1) if row["features"]["policy.fairness.nudge"] != 0.0)
    for wrong in (
        {"policy.fairness.nudge": row["features"]["policy.fairness.nudge"] * (1 + 1e-6)},
        {"policy.fairness.gap": 0.0},
        {"policy.fairness.nudge": None},
    ):
        assert "fairness" in violations(row | {"features": row["features"] | wrong})
    without = {name: value for name, value in row["features"].items() if name != "policy.fairness.ahead"}
    assert "fairness" in violations(row | {"features": without})


def test_those_of_whom_the_shop_has_not_said_a_group_are_not_judged() -> None:
    rows = served(RULE, 2, customers=300)
    nameless = [
        row | {"versions": {"policy": VERSION}, "customer_key": f"x{n}", "kind": "reply"} for n, row in enumerate(rows)
    ]
    found = measure([*rows, *nameless], "group")["offered"]
    assert {share.group for share in found.shares} == {"plan=basic", "plan=gold", "unsaid"}
    assert found.difference == measure(rows, "group")["offered"].difference
