"""Words that mean something by themselves: directions, requests, thanks; in both languages."""

from __future__ import annotations

import pytest

from risk import cues


@pytest.mark.parametrize(
    "text",
    [
        "I'm switching from you to Amazon",
        "cancel my account",
        "Please delete my account today",
        "I'm done with this shop",
        "I'll never buy here again",
        "I am taking my business elsewhere",
        "You just lost a customer",
        "把我的账号注销",
        "我要从你们家换到淘宝",
        "再也不来你们家买了",
        "我去拼多多买了,以后不会再来",
        "卸载了",
    ],
)
def test_leaving_us(text: str) -> None:
    assert cues.leaving(cues.normalise(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "I'm switching to you from Amazon",
        "We moved to your shop last month",
        "I left Amazon, so I'm here",
        "I won't cancel my account",
        "I will stay",
        "我从淘宝换到你们家了",
        "以后都在你们家买",
        "我不会离开的",
    ],
)
def test_coming_to_us_or_staying(text: str) -> None:
    assert cues.leaving(cues.normalise(text)) == -1


@pytest.mark.parametrize(
    "text",
    [
        "Where is my order?",
        "I'm done with the form",
        "Please cancel order 20391",
        "I changed my address",
        "我想换一个颜色",
        "取消订单",
        "换货",
        "I am out of milk",
    ],
)
def test_no_direction(text: str) -> None:
    assert cues.leaving(cues.normalise(text)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "I want to talk to a human",
        "connect me with an agent please",
        "Get me your manager",
        "agent",
        "转人工",
        "我要人工客服",
        "叫你们经理来",
    ],
)
def test_asks_for_a_person(text: str) -> None:
    assert cues.asks_for_human(cues.normalise(text))


@pytest.mark.parametrize(
    "text", ["I don't need a human, just the link", "不用转人工", "The agent was nice", "you are human after all"]
)
def test_does_not_ask_for_a_person(text: str) -> None:
    assert not cues.asks_for_human(cues.normalise(text))


def test_thanks_for_nothing_is_not_thanks() -> None:
    assert cues.thanks("thanks, great")
    assert not cues.thanks("thanks for nothing")
    assert not cues.thanks("不满意")


def test_normalise_removes_what_cannot_be_seen_and_folds_width() -> None:
    assert cues.normalise("ＡＢＣ　１２３！") == "abc 123!"
    assert cues.normalise("can\u200bcel \u202emy\U000e0041 account") == "cancel my account"
    assert len(cues.normalise("a" * 50_000)) == cues.MAX_CHARS
