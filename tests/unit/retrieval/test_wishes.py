"""What a message wants, and for how much."""

from __future__ import annotations

import pytest

from retrieval.documents import Limit
from retrieval.wishes import wish


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("Can you recommend a trekking backpack?", "trekking backpack"),
        ("I'm looking for a tent", "tent"),
        ("hello, what's your best kettle please", "kettle"),
        ("women's shoes in size M", "women shoe size m"),  # a size is no contraction
        ("show me something nice", ""),
        ("有没有徒步背包推荐一下", "徒步 背包"),
        ("我想买一把伞", "伞"),
        ("你们有床单吗", "床单"),  # the measure word is part of the thing
        ("想买个电热水壶", "电热水壶"),  # and not the shorter words inside it
        ("推荐几款", ""),
        ("", ""),
    ],
)
def test_the_thing_stands_alone(message: str, text: str) -> None:
    assert wish(message).text == text


@pytest.mark.parametrize(
    ("message", "limit"),
    [
        ("a backpack under 200 euro", Limit(None, 200.0, "EUR")),
        ("a laptop for $1,200 or less", Limit(None, 1200.0, "USD")),
        ("kettles up to 40", Limit(None, 40.0)),
        ("a tent for 4 people for 100-150 euro", Limit(100.0, 150.0, "EUR")),
        ("lamps between 90 and 50 €", Limit(50.0, 90.0, "EUR")),
        ("a bottle, about 30 euros", Limit(22.5, 37.5, "EUR")),
        ("a watch for more than £300", Limit(300.0, None, "GBP")),
        ("200欧以内的背包", Limit(None, 200.0, "EUR")),
        ("预算500元的锅", Limit(None, 500.0, "CNY")),
        ("50到90欧的台灯", Limit(50.0, 90.0, "EUR")),
        ("100块左右的杯子", Limit(75.0, 125.0, "CNY")),
        ("1000元以上的相机", Limit(1000.0, None, "CNY")),
        # What is no money stays a word.
        ("a pan under 30 cm", None),
        ("a kettle with 1.7 l", None),
        ("WH-1000XM4 headphones", None),
        ("shoes, size 42", None),
        ("42码的跑鞋", None),
        ("a backpack", None),
    ],
)
def test_an_amount_of_money_is_a_limit(message: str, limit: Limit | None) -> None:
    assert wish(message).limit == limit


def test_an_amount_is_no_word_but_a_number_of_people_is() -> None:
    assert wish("a tent for 4 people for 100-150 euro").text == "tent 4 people"
    assert wish("between 50 and 90 €").text == ""


@pytest.mark.parametrize(
    "message", ["9" * 400 + " euro", "under under under", "€€€", "1,,2,3. euro or less", "\x00 5 € -"]
)
def test_whatever_is_written_is_borne(message: str) -> None:
    limit = wish(message).limit
    assert limit is None or all(bound is None or bound >= 0 for bound in (limit.least, limit.most))
