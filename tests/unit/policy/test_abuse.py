from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from assistant.policy.abuse import DAY_MS, Signals, demands_benefit, why_no_benefit

NOW = 1_000 * DAY_MS
GOOD = Signals(first_seen_at=0, orders=6, returns=1, conversations_week=1, accepted_unused=0)


@pytest.mark.parametrize(
    ("changes", "text", "why"),
    [
        ({}, "I am leaving", None),
        ({"first_seen_at": None}, "hi", "abuse_new"),
        ({"first_seen_at": NOW - 13 * DAY_MS}, "hi", "abuse_new"),
        ({"returns": 4}, "hi", "abuse_returns"),
        ({"returns": 3, "orders": 3}, "hi", None),
        ({"conversations_week": 4}, "hi", "abuse_fishing"),
        ({"accepted_unused": 2}, "hi", "abuse_unused"),
        ({}, "give me a voucher or I leave", "abuse_demanded"),
    ],
)
def test_the_gate(changes: Any, text: str, why: str | None) -> None:
    assert why_no_benefit(replace(GOOD, **changes), text, NOW) == why


@pytest.mark.parametrize(
    "text",
    ["Give me a discount", "I want 20% off", "do you have any coupon?", "send me a voucher",
     "I'll cancel unless I get compensation", "or I'll leave",
     "给我优惠券", "有没有优惠", "送我一张券吧", "打八折吧", "便宜点我就买", "不给优惠我就走", "要求赔偿，给我补偿"],
)  # fmt: skip
def test_demands_are_heard(text: str) -> None:
    assert demands_benefit(text)


@pytest.mark.parametrize(
    "text",
    ["where is my order", "my voucher does not work", "the lamp is broken", "I will never buy here again", "我的快递呢", "太失望了",
     "优惠券用不了", "以后再也不来了", "I need help with my account"],
)  # fmt: skip
def test_other_words_are_not_demands(text: str) -> None:
    assert not demands_benefit(text)
