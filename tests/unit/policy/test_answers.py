from __future__ import annotations

import pytest

from assistant.policy.answers import agrees, asks, asks_for_more, offers_person

OFFERS = [
    "A colleague should open a search with the carrier. Shall I hand it over?",
    "May a colleague sort the account out with you first?",
    "Could you put it in one sentence, or shall a colleague read along?",
    "我想请同事把原因一起查清楚，可以吗？",
    "需要同事核实款项是否已经打出，要帮您转过去吗？",
]
NO_OFFERS = [
    "Please send me the order number and a colleague will confirm it.",
    "A colleague can help. Which order is it?",
    "You're very welcome. Is there anything else?",
    "请问是哪一单？",
    "同事会核对。是哪件商品，用过了吗，价格多少？",
    None,
]


@pytest.mark.parametrize("said", OFFERS)
def test_an_offered_colleague_is_seen(said: str) -> None:
    assert offers_person(said)


@pytest.mark.parametrize("said", NO_OFFERS)
def test_other_questions_offer_nobody(said: str | None) -> None:
    assert not offers_person(said)


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "Yes, please!",
        "ok let's do that",
        "sure, go ahead",
        "yes. and I don't want to pay twice",
        "好的",
        "可以，麻烦了",
        "要",
        "嗯嗯",
    ],
)
def test_a_plain_yes(text: str) -> None:
    assert agrees(text)


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "no thanks",
        "ok. how long does accounting need?",
        "where is it",
        "不用了",
        "先不用",
        "好像没有",
        "我要投诉",
        "yesterday",
        "",
    ],
)
def test_no_yes(text: str) -> None:
    assert not agrees(text)


def test_questions_are_told_from_statements() -> None:
    assert asks("Which order is it?")
    assert asks("是哪一单？")
    assert not asks("Which order it is, I will find out. Thank you.")
    assert not asks(None)
    assert asks_for_more("You're very welcome. Is there anything else?")
    assert asks_for_more("不客气。还有其他需要吗？")
    assert not asks_for_more("Which order is it?")
