from __future__ import annotations

from typing import Any

import pytest

from assistant.policy import priors
from assistant.policy.types import Option
from assistant.turns import options
from assistant.turns.options import Found, Situation
from retrieval.documents import Candidate, Offer, Product, Script

ONWARD = Script(
    "general/noted-2@en", "general/noted-2", "en", "Noted", "Shall I bring one in?", "details_given", "acknowledge"
)


def script(family: str, intent: str, stage: str = "fix", **more: Any) -> Script:
    return Script(f"{family}@en", family, "en", family, "Text.", intent, stage, examples=(f"about {intent}",), **more)  # type: ignore[arg-type]


def candidate(document: Script, chance: float, score: float | None = None) -> Candidate:
    return Candidate(document, 0, chance if score is None else score, {"intent": chance})


def situation(**changes: Any) -> Situation:
    calm: dict[str, Any] = {
        "band": "low",
        "prices": priors.PRICES,
        "sent": {},
        "last_family": None,
        "clarifies": 0,
        "agents_available": 1,
        "queue_length": 0,
        "wallet": None,
        "verified": True,
        "waiting": False,
        "suspect": None,
        "now": 0,
    }
    return Situation(**{**calm, **changes})


def table(found: Found, **changes: Any) -> dict[str, Option]:
    return {option.key: option for option in options.build(found, situation(**changes))}


WHERE = script("order/where-1", "where_is_order")
LATE = script("order/late-1", "late_parcel")


def test_relevance_is_the_probability_where_there_is_one() -> None:
    assert options.relevance(candidate(WHERE, 0.8)) == 0.8
    assert options.relevance(Candidate(WHERE, 0, 0.65, {"dense": 0.7})) == pytest.approx(0.5)


def test_only_near_equals_are_alternatives() -> None:
    found = Found([candidate(WHERE, 0.5), candidate(LATE, 0.4), candidate(script("a/b-1", "other"), 0.2)])
    made = table(found)
    assert made["reply:order/where-1@en"].why_not is None
    assert made["reply:order/late-1@en"].why_not is None
    assert made["reply:a/b-1@en"].why_not == "less_relevant"


def test_a_script_that_cannot_be_said_does_not_hide_the_next_best() -> None:
    offer = script("price/offer-1", "leaving", "win_back", offer=Offer("o", "voucher", 500, 400))
    made = table(Found([candidate(offer, 0.9), candidate(script("price/back-1", "leaving"), 0.9, 0.5)]), verified=False)
    assert made["offer:o"].why_not == "unverified"
    assert made["reply:price/back-1@en"].why_not is None


def test_what_is_on_record_is_told_before_anything_is_asked() -> None:
    told = script("order/where-2", "where_is_order", slots=("order_no", "order_status"))
    made = table(Found([candidate(WHERE, 0.9), candidate(told, 0.9, 0.3)]))
    assert made["reply:order/where-2@en"].relevance == 0.9
    assert made["reply:order/where-2@en"].why_not is None
    assert made["reply:order/where-1@en"].why_not == "less_specific"


def test_nobody_is_told_the_same_twice_but_offered_a_colleague() -> None:
    found = Found([candidate(WHERE, 0.9)], onward=[ONWARD])
    made = table(found, sent={"order/where-1": 1}, last_family="order/where-1")
    assert made["reply:order/where-1@en"].why_not == "said_already"
    assert made["reply:general/noted-2@en"].why_not is None
    assert made["reply:general/noted-2@en"].relevance == 0.9
    again = table(found, sent={"order/where-1": 1, "general/noted-2": 1}, last_family="general/noted-2")
    assert "reply:general/noted-2@en" not in again
    assert again["clarify"].why_not == "loop"


def test_a_playbook_without_a_way_on_may_say_it_again() -> None:
    made = table(Found([candidate(WHERE, 0.9)]), sent={"order/where-1": 1})
    assert made["reply:order/where-1@en"].why_not is None


def test_thanks_may_be_answered_twice() -> None:
    thanks = script("general/thanks-1", "thanks", "close")
    made = table(Found([candidate(thanks, 0.9)], onward=[ONWARD]), sent={"general/thanks-1": 1})
    assert made["reply:general/thanks-1@en"].why_not is None


def test_somebody_who_waits_for_a_person_is_not_asked_or_dismissed() -> None:
    found = Found(
        [
            candidate(script("general/thanks-1", "thanks", "close"), 0.9),
            candidate(script("a/c-1", "x", "clarify"), 0.9),
        ],
        onward=[ONWARD],
    )
    made = table(found, waiting=True)
    assert made["reply:general/thanks-1@en"].why_not == "waiting"
    assert made["reply:a/c-1@en"].why_not == "waiting"


def test_only_what_is_surely_not_the_shops_is_called_so() -> None:
    elsewhere = script("general/other-topic-1", "off_topic", "clarify")
    assert table(Found([candidate(elsewhere, 0.6)]))["reply:general/other-topic-1@en"].why_not == "irrelevant"
    assert table(Found([candidate(elsewhere, 0.9)]))["reply:general/other-topic-1@en"].why_not is None


def test_guesses_are_a_customers_words_one_an_intent_the_likeliest_first() -> None:
    found = Found([candidate(LATE, 0.2), candidate(WHERE, 0.3), candidate(script("order/where-9", "where_is_order"), 0.25),
                   candidate(script("a/close-1", "bye", "close"), 0.3), candidate(script("a/z-1", "rare"), 0.05)])  # fmt: skip
    assert options.guesses(found) == ["About where_is_order", "About late_parcel"]


@pytest.mark.parametrize(
    ("ruled", "reason"),
    [
        ({"self_harm": 0.4}, "self_harm"),
        ({"emergency": 0.7, "self_harm": 0.2}, "injury"),
        ({"legal_threat": 0.5}, None),
        ({"threat": 0.9}, "threat"),
        ({}, None),
    ],
)
def test_oblique_words_reach_a_person_where_they_are_likely_enough(ruled: dict[str, float], reason: str | None) -> None:
    assert options.concern(Found(ruled=ruled)) == reason


def test_the_person_in_charge_is_called_when_asked_for() -> None:
    assert options.needs_person(Found(ruled={"asks_manager": 0.8})) == "asks_manager"
    assert options.needs_person(Found(ruled={"asks_manager": 0.3})) is None
    assert options.needs_person(Found([candidate(script("p/fraud-1", "fraud", "handoff"), 0.6)])) == "fraud"


ASK = script("product/find-1", "recommendation", "clarify")
SHOW = script("product/find-2", "recommendation", "recommend")
LAMP = Candidate(Product("P1", "en", "Lamp", stock=1), 0, 0.9)


def test_who_names_a_product_sees_it_and_is_not_asked_what_they_look_for() -> None:
    scripts = [candidate(ASK, 0.9, 0.9), candidate(SHOW, 0.9, 0.5)]
    made = table(Found(scripts, products=[LAMP], named=True))
    assert made["recommend:product/find-2@en"].why_not is None
    assert made["reply:product/find-1@en"].why_not == "less_specific"
    pleasing = table(Found(scripts, products=[LAMP]))
    assert pleasing["reply:product/find-1@en"].why_not is None
    assert pleasing["recommend:product/find-2@en"].why_not == "less_relevant"


def test_other_products_may_be_shown_with_the_words_of_before() -> None:
    found = Found([candidate(SHOW, 0.9)], onward=[ONWARD], products=[LAMP], named=True)
    made = table(found, sent={"product/find-2": 1}, last_family="product/find-2")
    again = made["recommend:product/find-2@en"]
    assert (again.why_not, again.just_sent) == (None, False)
    assert again.cost == table(found)["recommend:product/find-2@en"].cost
    assert "reply:general/noted-2@en" not in made
    same = table(found, sent={"product/find-2": 1}, last_family="product/find-2", shown=frozenset({"P1"}))
    assert same["recommend:product/find-2@en"].why_not == "said_already"


def test_scripts_that_only_ask_give_way_to_a_page_that_answers() -> None:
    page = script("article/returns", "help_article", approved_by=options.HELP)
    told = script("order/told-1", "where_is_order", slots=("order_no",))
    thanks = script("general/thanks-1", "thanks", "close")
    candidates = [candidate(WHERE, 0.99), candidate(told, 0.6), candidate(thanks, 0.6), candidate(page, 0.6)]
    made = table(Found(candidates, page_answers=True))
    assert {key: option.why_not for key, option in made.items() if key.startswith("reply:")} == {
        "reply:order/where-1@en": "less_specific",
        "reply:order/told-1@en": None,
        "reply:general/thanks-1@en": None,
        "reply:article/returns@en": None,
    }
    assert table(Found(candidates))["reply:article/returns@en"].why_not == "less_relevant"
