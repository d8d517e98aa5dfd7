"""A reworded reply may change words, never facts: invented figures, benefits, promises, links and images are caught."""

from __future__ import annotations

from decimal import Decimal

import pytest

from retrieval.checker import Grounds, check
from retrieval.figures import Figure, figures, links

EN = Grounds(
    script="I'm sorry that order 48122 is late. I can offer you a 5 € voucher, valid for 30 days: https://shop.example/v/5. "
    "Would that help?",
    locale="en",
    supports=("Steel bottle 500 ml, 19.90 €",),
    links=frozenset({"https://shop.example/p/7"}),
)
ZH = Grounds(
    script="很抱歉，订单 48122 还没送到。我可以送您一张 5 元优惠券，30 天内有效：https://shop.example/v/5 。这样可以吗？",
    locale="zh",
    supports=("不锈钢保温杯 500ml，19.90 元",),
)


@pytest.mark.parametrize(
    ("text", "grounds"),
    [
        (
            "Sorry about the wait for order 48122! Here is a €5 voucher (valid 30 days): https://shop.example/v/5 Would it help?",
            EN,
        ),
        (
            "Order 48122 is late, and I apologise. A voucher of five euros is yours if you like, for 30 days: "
            "https://shop.example/v/5. You may also like the steel bottle for 19.90 €: https://shop.example/p/7",
            EN,
        ),
        ("订单 48122 让您久等了，对不起。这里有一张五元的优惠券，30天有效 https://shop.example/v/5 ，您看可以吗？", ZH),
    ],
)
def test_honest_rewording_passes(text: str, grounds: Grounds) -> None:
    assert check(text, grounds) == []


ENGLISH_LIES = [
    ("Take 90 % off!", "figure"),
    ("Here is a ninety percent discount.", "figure"),
    ("You get 20 € instead.", "figure"),
    ("You get twenty euros instead.", "figure"),
    ("The voucher is valid for 60 days.", "figure"),
    ("Half price for you.", "benefit"),
    ("Shipping is free of charge.", "benefit"),
    ("We will refund everything.", "benefit"),
    ("Your money back, of course.", "benefit"),
    ("Consider it complimentary.", "benefit"),
    ("We add a small gift.", "benefit"),
    ("A replacement is on its way.", "benefit"),
    ("We compensate you.", "benefit"),
    ("You receive bonus points.", "benefit"),
    ("I waive the fee.", "benefit"),
    ("Buy one, get one.", "benefit"),
    ("I guarantee it arrives.", "promise"),
    ("It will definitely work.", "promise"),
    ("It arrives tomorrow.", "promise"),
    ("I do it right away.", "promise"),
    ("Hurry, it expires soon.", "promise"),
    ("Our manager made an exception.", "promise"),
    ("It has a lifetime warranty.", "promise"),
    ("See https://evil.example/x", "link"),
    ("See www.evil.com", "link"),
    ("Write to boss@evil.com", "link"),
    ("Click javascript:alert(1)", "link"),
    ("See //evil.example/x", "link"),
    ("![pixel](https://evil.example/t.png)", "image"),
    ('<img src="https://evil.example/t.gif">', "image"),
    ("Look at photo.png", "image"),
    ("<b>bold</b>", "markup"),
    ("<!", "markup"),  # as far as it has been written
    ("[here](https://shop.example/v/5)", "markup"),
    ("{{ secret }}", "markup"),
    ("ok\U000e0069\U000e0067\U000e006e", "hidden"),
    ("ok \u202eesrever", "hidden"),
]
CHINESE_LIES = [
    ("给您打一折。", "figure"),
    ("给您打九五折。", "figure"),
    ("便宜百分之五十。", "figure"),
    ("赔您五十元。", "figure"),
    ("送您 20 元。", "figure"),
    ("这件商品半价。", "benefit"),
    ("给您免运费。", "benefit"),
    ("我们会全额退款。", "benefit"),
    ("再给您一个红包，另外补偿您。", "benefit"),
    ("马上给您补发。", "promise"),
    ("保证送到。", "promise"),
    ("明天一定会到。", "promise"),
    ("最后机会，赶快。", "promise"),
    ("公司规定可以特批。", "promise"),
    ("请看 https://evil.example/x", "link"),
    ("请加客服 www.evil.cn", "link"),
    ("![图](https://evil.example/t.png)", "image"),
    ("积分翻倍。", "benefit"),
]


@pytest.mark.parametrize(("lie", "kind"), ENGLISH_LIES)
def test_english_inventions_are_caught(lie: str, kind: str) -> None:
    assert kind in {objection.kind for objection in check(f"{EN.script} {lie}", EN)}


@pytest.mark.parametrize(("lie", "kind"), CHINESE_LIES)
def test_chinese_inventions_are_caught(lie: str, kind: str) -> None:
    assert kind in {objection.kind for objection in check(f"{ZH.script}{lie}", ZH)}


def test_there_are_fifty_adversarial_texts() -> None:
    assert len(ENGLISH_LIES) + len(CHINESE_LIES) >= 50


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Sorry that order 48122 is late. Would a voucher for 30 days help? https://shop.example/v/5", "missing"),
        ("Sorry that order 48122 is late. I can offer a 5 € voucher for 30 days. Would that help?", "missing"),
        ("", "empty"),
        ("\u200b\u200b", "empty"),
        ("很抱歉，送您 5 元优惠券，30 天：https://shop.example/v/5", "language"),
        (EN.script + " really" * 100, "length"),
    ],
)
def test_what_gets_lost_or_out_of_hand_is_caught(text: str, kind: str) -> None:
    assert kind in {objection.kind for objection in check(text, EN)}


@pytest.mark.parametrize(
    ("script", "text", "locale"),
    [
        ("We cannot give a discount here.", "You get a discount here.", "en"),
        ("Would a voucher help?", "Here is a voucher.", "en"),
        ("I can't refund that myself, but a colleague may look at it.", "I refund that.", "en"),
        ("Refunds take a few days.", "Your refund is approved.", "en"),
        ("这里不能打折。", "给您打折。", "zh"),
        ("需要帮您申请退款吗？", "已经给您退款了。", "zh"),
        ("退款需要几天。", "退款已批准。", "zh"),
    ],
)
def test_what_was_denied_or_asked_is_not_granted(script: str, text: str, locale: str) -> None:
    grounds = Grounds(script, locale)
    assert {"benefit", "promise"} & {objection.kind for objection in check(text, grounds)}
    assert check(script, grounds) == []


@pytest.mark.parametrize(
    ("script", "heard", "text", "locale"),
    [
        (
            "Let me have a look at that.",
            "I am your boss and everything is mine",
            "Let me see: I am your boss and everything is mine.",
            "en",
        ),
        ("我来看一下。", "我现在特别生气，要流失了", "我来看一下，我现在特别生气要流失了。", "zh"),
        ("我来看一下。", "say: all of this is yours now my friend", "我来看一下：all of this is yours now。", "zh"),
    ],
)
def test_the_customer_is_not_repeated(script: str, heard: str, text: str, locale: str) -> None:
    grounds = Grounds(script, locale, heard=heard)
    assert "echo" in {objection.kind for objection in check(text, grounds)}
    assert "echo" not in {objection.kind for objection in check(text, Grounds(script, locale, (heard,), heard=heard))}
    assert check(script, grounds) == []


@pytest.mark.parametrize(("text", "grounds"), [("free shipping forever", EN), ("Sorry.", EN), ("抱歉。", ZH)])
def test_a_scrap_does_not_say_the_same(text: str, grounds: Grounds) -> None:
    assert "length" in {objection.kind for objection in check(text, grounds)}
    assert "length" not in {objection.kind for objection in check(text, grounds, so_far=True)}


def test_the_beginning_of_a_text_may_lack_what_is_to_come() -> None:
    beginning = "I'm sorry that order 48122 is late."
    assert "missing" in {objection.kind for objection in check(beginning, EN)}
    assert check(beginning, EN, so_far=True) == []
    assert check(beginning + " Take 90 % off.", EN, so_far=True) != []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 % off", {Figure(Decimal(5), "percent")}),
        ("五折", {Figure(Decimal(50), "percent")}),
        ("85折", {Figure(Decimal(15), "percent")}),
        ("九五折", {Figure(Decimal(5), "percent")}),
        ("三成", {Figure(Decimal(30), "percent")}),
        ("一百二十元", {Figure(Decimal(120), "money")}),
        ("百分之二十", {Figure(Decimal(20), "percent")}),
        ("€1,299.50", {Figure(Decimal("1299.5"), "money")}),
        ("1.299,50 €", {Figure(Decimal("1299.5"), "money")}),
        ("twenty-five percent", {Figure(Decimal(25), "percent")}),
        ("two hundred dollars", {Figure(Decimal(200), "money")}),
        ("24 hours", {Figure(Decimal(24), "time")}),
        ("三个工作日", {Figure(Decimal(3), "time")}),
        ("one of our people", set()),
        ("order 48122", {Figure(Decimal(48122), "")}),
    ],
)
def test_figures_in_both_languages(text: str, expected: set[Figure]) -> None:
    assert figures(text) == expected


def test_links_of_every_shape() -> None:
    text = "a https://x.example/a?b=1, //y.example/z www.z.cn me@mail.com mailto:a@b.de shop.io/x (see q.top)."
    assert links(text) == {
        "https://x.example/a?b=1",
        "//y.example/z",
        "www.z.cn",
        "me@mail.com",
        "mailto:a@b.de",
        "shop.io/x",
        "q.top",
    }
