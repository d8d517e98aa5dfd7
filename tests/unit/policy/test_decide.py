from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.policy import rules
from assistant.policy.decide import VERSION, decide, pick, probabilities
from assistant.policy.types import DecisionContext, Option

REPLY = Option("reply:a", "reply", uplift=0.01, cost=400, relevance=0.8, document_id="a")
OTHER = Option("reply:b", "reply", uplift=0.01, cost=500, relevance=0.7, document_id="b")
CLARIFY = Option("clarify", "clarify", cost=1300, relevance=0.35)
RECOMMEND = Option("recommend:r", "recommend", uplift=0.004, cost=600, relevance=0.7, treatment=True)
OFFER = Option("offer:o", "offer", uplift=0.06, cost=1200, relevance=0.8, treatment=True)
ESCALATE = Option("escalate", "escalate", uplift=0.08, cost=560, relevance=0.9, treatment=True)
NONE = Option("none", "none", cost=2000)
TABLE = (REPLY, OTHER, CLARIFY, RECOMMEND, OFFER, ESCALATE, NONE)


def context(**changes: Any) -> DecisionContext:
    calm = DecisionContext(
        options=TABLE,
        risk=0.1,
        band="low",
        dissatisfaction=0.1,
        need_human=0.1,
        asks_for_human=False,
        safety=None,
        customer_value=10_000,
        holdout=False,
        holder="bot",
        superseded=False,
        bot_replies_in_a_row=0,
        agents_available=2,
        queue_length=0,
        floor=0.02,
        temperature=300,
        verified=True,
    )
    return replace(calm, **changes)


HIGH = {"risk": 0.8, "band": "high", "dissatisfaction": 0.5, "need_human": 0.4}

contexts = st.builds(
    context,
    options=st.lists(
        st.builds(
            Option,
            key=st.uuids().map(str),
            kind=st.sampled_from(["reply", "clarify", "recommend", "offer", "escalate", "none"]),
            uplift=st.floats(-1, 1),
            cost=st.integers(-10_000, 1_000_000),
            relevance=st.floats(0, 1),
            why_not=st.sampled_from([None, None, None, "wallet_empty"]),
            treatment=st.booleans(),
            just_sent=st.booleans(),
        ),
        max_size=40,
    ).map(tuple),
    risk=st.none() | st.floats(0, 1),
    band=st.sampled_from(["low", "elevated", "high"]),
    dissatisfaction=st.none() | st.floats(0, 1),
    need_human=st.none() | st.floats(0, 1),
    asks_for_human=st.sampled_from([False, False, True]),
    safety=st.sampled_from([None, None, "legal", "self_harm"]),
    customer_value=st.integers(0, 10**8),
    holdout=st.booleans(),
    holder=st.sampled_from(["bot", "bot", "bot", "agent:x"]),
    superseded=st.sampled_from([False, False, True]),
    bot_replies_in_a_row=st.integers(0, 5),
    agents_available=st.integers(0, 5),
    queue_length=st.integers(0, 50),
    floor=st.floats(0.001, 0.199),
    temperature=st.floats(0.1, 10**6),
    verified=st.booleans(),
    waiting=st.booleans(),
    resolved=st.sampled_from([False, False, False, True]),
    clarifies_in_a_row=st.integers(0, 4),
)
draws = st.floats(0, 1, exclude_max=True)


@given(contexts, draws)
def test_every_decision_keeps_the_invariants(given_context: DecisionContext, draw: float) -> None:
    made = decide(given_context, draw)
    assert abs(math.fsum(made.probabilities) - 1.0) <= 1e-9
    assert made.action in made.eligible
    assert made.propensity == made.probabilities[made.eligible.index(made.action)]
    assert len(made.eligible) == len(made.values) == len(made.probabilities)
    if made.forced:
        assert made.propensity == 1.0
        assert made.overrides
    else:
        assert all(chance >= given_context.floor for chance in made.probabilities)
    assert made.policy_version == VERSION
    keys = [option.key for option in made.eligible] + [key for key, _ in made.ineligible]
    assert {option.key for option in given_context.options} <= set(keys)


@given(contexts, draws)
def test_holdout_is_never_treated(given_context: DecisionContext, draw: float) -> None:
    made = decide(replace(given_context, holdout=True), draw)
    if not made.forced:
        assert made.action.kind not in rules.TREATMENTS
        assert not made.action.treatment
    elif made.action.kind == "escalate":
        assert rules.SERVICE_RULES & set(made.overrides)


@given(contexts, draws)
def test_offers_need_identity_a_score_and_risk(given_context: DecisionContext, draw: float) -> None:
    made = decide(given_context, draw)
    if any(option.kind == "offer" for option in made.eligible):
        assert given_context.verified
        assert given_context.risk is not None
        assert given_context.band != "low"
        assert not given_context.waiting


@given(contexts, draws)
def test_the_same_context_and_draw_give_the_same_decision(given_context: DecisionContext, draw: float) -> None:
    assert decide(given_context, draw) == decide(given_context, draw)


@given(st.lists(st.floats(-(10**9), 10**9), min_size=1, max_size=25), st.floats(0.001, 0.04), st.floats(0.01, 10**6))
def test_probabilities_keep_floor_and_sum(values: list[float], floor: float, temperature: float) -> None:
    chances = probabilities(values, floor=floor, temperature=temperature)
    assert abs(math.fsum(chances) - 1.0) <= 1e-9
    if len(values) > 1:
        assert min(chances) >= floor
        assert chances[values.index(max(values))] == max(chances)


def test_a_floor_that_cannot_be_met_is_refused_and_crowds_are_cut() -> None:
    with pytest.raises(ValueError, match="cannot each have"):
        probabilities([0.0] * 6, floor=0.19, temperature=1)
    crowd = tuple(replace(REPLY, key=f"reply:{n}", cost=n) for n in range(10))
    made = decide(context(options=crowd, floor=0.19), 0.0)
    assert [option.key for option in made.eligible] == ["reply:0", "reply:1"]
    assert dict(made.ineligible)["reply:9"] == "crowded"


@pytest.mark.parametrize("draw", [-0.1, 1.0, 1.5, float("nan")])
def test_a_draw_outside_the_unit_interval_is_refused(draw: float) -> None:
    with pytest.raises(ValueError, match="draw"):
        decide(context(), draw)


def test_pick_follows_the_shares() -> None:
    chances = (0.2, 0.5, 0.3)
    assert [pick(chances, draw) for draw in (0.0, 0.19, 0.21, 0.69, 0.71, 0.999999)] == [0, 0, 1, 1, 2, 2]
    assert pick((0.1, 0.9 - 1e-16), 0.9999999999999999) == 1


@pytest.mark.parametrize(
    ("changes", "kind", "rule", "reason"),
    [
        ({"asks_for_human": True}, "escalate", "asks_for_human", "asked_for_human"),
        ({"asks_for_human": True, "holdout": True}, "escalate", "asks_for_human", "asked_for_human"),
        ({"asks_for_human": True, "superseded": True}, "escalate", "asks_for_human", "asked_for_human"),
        ({"asks_for_human": True, "waiting": True}, "none", "waiting", None),
        ({"asks_for_human": True, "holder": "agent:x"}, "none", "agent_holds", None),
        ({"safety": "self_harm"}, "escalate", "safety", "self_harm"),
        ({"safety": "legal", "superseded": True}, "escalate", "safety", "legal"),
        ({"superseded": True}, "none", "superseded", None),
        ({"bot_replies_in_a_row": 3}, "escalate", "loop_guard", "loop"),
        ({"needs_person": "fraud"}, "escalate", "needs_person", "fraud"),
        ({"resolved": True, "asks_for_human": True}, "none", "resolved", None),
        ({"options": (CLARIFY,), "clarifies_in_a_row": 2}, "escalate", "loop_guard", "loop"),
        ({"options": (), "waiting": True}, "none", "waiting", None),
    ],
)
def test_hard_rules_decide_with_propensity_one(changes: Any, kind: str, rule: str, reason: str | None) -> None:
    made = decide(context(**changes), 0.5)
    assert (made.action.kind, made.overrides, made.propensity, made.forced) == (kind, (rule,), 1.0, True)
    assert made.escalation_reason == reason


def ineligible(**changes: Any) -> dict[str, str]:
    return dict(decide(context(**changes), 0.5).ineligible)


def test_low_risk_gets_answers_only() -> None:
    assert ineligible() == {
        "clarify": "not_needed",
        "offer:o": "low_risk",
        "escalate": "low_risk",
        "none": "only_by_rule",
    }


def test_high_risk_opens_offer_and_person() -> None:
    made = decide(context(**HIGH), 0.5)
    assert {option.key for option in made.eligible} == {"reply:a", "reply:b", "recommend:r", "offer:o", "escalate"}


def test_without_a_score_nothing_is_given_away() -> None:
    out = ineligible(risk=None, band="high", dissatisfaction=None, need_human=None)
    assert (out["offer:o"], out["escalate"]) == ("degraded", "degraded")
    assert "degraded" in decide(context(risk=None), 0.5).overrides


def test_the_unverified_get_no_offer() -> None:
    assert ineligible(**HIGH, verified=False)["offer:o"] == "unverified"


def test_unhappy_customers_are_not_sold_to() -> None:
    assert ineligible(**(HIGH | {"dissatisfaction": 0.7}))["recommend:r"] == "unhappy"


def test_clarify_when_nothing_fits() -> None:
    vague = replace(REPLY, relevance=0.1)
    made = decide(context(options=(vague, CLARIFY)), 0.5)
    assert made.action.kind == "clarify"
    assert dict(made.ineligible)["reply:a"] == "irrelevant"


def test_who_can_be_shown_what_they_want_is_not_asked() -> None:
    assert ineligible(options=(RECOMMEND, CLARIFY))["clarify"] == "not_needed"
    assert "clarify" not in ineligible(options=(replace(RECOMMEND, relevance=0.4), CLARIFY))
    assert "clarify" not in ineligible(options=(replace(RECOMMEND, why_not="no_products"), CLARIFY))


def test_the_last_wording_waits_for_its_turn() -> None:
    out = ineligible(options=(replace(REPLY, just_sent=True), OTHER))
    assert out == {"reply:a": "just_sent"}
    assert decide(context(options=(replace(REPLY, just_sent=True),)), 0.5).action.key == "reply:a"


def test_a_dear_queue_makes_a_person_less_likely() -> None:
    from assistant.policy.priors import PRICES, cost

    calm = cost("escalate", PRICES, relevance=0.9, agents_available=3, queue_length=0)
    busy = cost("escalate", PRICES, relevance=0.9, agents_available=1, queue_length=4)
    nobody = cost("escalate", PRICES, relevance=0.9, agents_available=0, queue_length=0)
    assert calm < nobody < busy
    made = [decide(context(**HIGH, options=(REPLY, replace(ESCALATE, cost=price))), 0.5) for price in (calm, busy)]
    assert made[0].probabilities[1] > made[1].probabilities[1]


def test_customer_value_moves_the_choice_towards_what_keeps() -> None:
    small, large = (decide(context(**HIGH, customer_value=value), 0.5).probabilities[-1] for value in (100, 100_000))
    assert large > 0.5 > small
