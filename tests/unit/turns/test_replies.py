from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from assistant.turns import formats, replies
from assistant.turns.replies import Facts, ReplyFault
from retrieval import playbook
from retrieval.documents import Offer, Product, Script

NOW = 1_795_000_000_000  # 18 November 2026
ORDER = {
    "order_no": "A-1", "status": "shipped", "ts_event": NOW, "total": 123450, "currency": "EUR",
    "lines": [{"title": "Lamp"}, {"title": "Shade"}, {}], "promised_at": NOW, "delivered_at": None,
}  # fmt: skip
FACTS = Facts("en", "Lumen", "EUR", name="Ada", order=ORDER, return_no="R-9")


def script(text: str, slots: tuple[str, ...] = (), **more: Any) -> Script:
    return Script("a/b-1@en", "a/b-1", "en", "T", text, "i", "fix", slots=slots, **more)


def test_slots_in_both_languages() -> None:
    english = replies.slots(FACTS)
    assert english["order_total"] == "€1,234.50"
    assert english["order_item"] == "Lamp and Shade"
    assert english["order_status"] == "on its way"
    assert english["promised_date"] == "18 November 2026"
    assert "delivered_date" not in english
    chinese = replies.slots(replace(FACTS, language="zh"))
    assert chinese["order_item"] == "Lamp和Shade"
    assert chinese["order_status"] == "已发货，正在路上"
    assert chinese["promised_date"] == "2026年11月18日"


def test_a_missing_slot_is_never_papered_over() -> None:
    with pytest.raises(ReplyFault, match="delivered_date"):
        replies.message(script("It came on {{ delivered_date }}.", ("delivered_date",)), replies.slots(FACTS))
    with pytest.raises(ReplyFault):
        replies.message(script("Dear {{ nickname }}"), replies.slots(FACTS))


def test_unknown_names_may_be_asked_about() -> None:
    text = "Hello{% if name %} {{ name }}{% endif %}."
    assert replies.message(script(text), {}).body == "Hello."
    assert replies.message(script(text), {"name": "Ada"}).body == "Hello Ada."


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ name.__class__ }}",
        "{{ self._TemplateReference__context }}",
        "{% for i in range(10) %}x{% endfor %}",
        "{{ lipsum }}",
        "{{ cycler.__init__.__globals__ }}",
        "{% include 'x' %}",
        "{{ 1 / 0 }}",
        "{{",
        "",
        "   ",
        "{{ 'x' * 5000 }}",
    ],
)
def test_templates_cannot_leave_the_sandbox(text: str) -> None:
    with pytest.raises(ReplyFault):
        replies.message(script(text), {"name": "Ada"})


def test_what_a_customer_is_called_is_never_a_template() -> None:
    assert replies.message(script("Hi {{ name }}"), {"name": "{{ 7 * 7 }}<b>"}).body == "Hi {{ 7 * 7 }}<b>"


def test_cards_for_products_and_offers() -> None:
    lamp = Product("P1", "en", "Lamp", price=1999, currency="GBP", stock=2, image="/i.jpg", url="/p", category="light")
    found = replies.products(
        script("Try {{ product_title }} at {{ product_price }}.", ("product_title",)),
        replies.product_slots([lamp], "en"),
        [lamp],
    )
    assert found.kind == "products"
    assert found.body == "Try Lamp at £19.99."
    assert found.data["products"][0] == {
        "id": "P1", "title": "Lamp", "price": 1999, "currency": "GBP", "stock": 2, "image": "/i.jpg", "url": "/p",
        "category": "light",
    }  # fmt: skip
    giving = script(
        "Take {{ offer_amount }}.", ("offer_amount",), offer=Offer("o", "percent", 10, 300, 7), quick_replies=("Yes",)
    )
    offered = replies.offer(
        giving, replies.offer_slots(giving.offer, FACTS, NOW), decision_id="D", currency="EUR", now=NOW
    )  # type: ignore[arg-type]
    assert offered.body == "Take 10%."
    assert offered.data["offer"]["valid_until"] == NOW + 7 * 86_400_000
    assert offered.data["quick_replies"] == ["Yes"]


def test_every_script_of_the_playbook_can_be_worded() -> None:
    scripts, faults = playbook.load(list(playbook.packaged()))
    assert faults == []
    lamp = Product("P1", "en", "Lamp", price=1999)
    for one in scripts:
        facts = replace(FACTS, language=one.locale, order=ORDER | {"delivered_at": NOW})
        known = replies.slots(facts) | replies.product_slots([lamp], one.locale) | {"agent_wait": "2 min"}
        if one.offer is not None:
            known |= replies.offer_slots(one.offer, facts, NOW)
        body = replies.message(one, known).body
        assert "{{" not in body, one.id


def test_how_long_a_person_takes_is_said_only_where_it_is_known() -> None:
    assert "agent_wait" not in replies.slots(FACTS)
    assert replies.slots(replace(FACTS, wait_s=250))["agent_wait"] == "4 minutes"
    assert replies.slots(replace(FACTS, wait_s=250, language="zh"))["agent_wait"] == "4分钟"


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [(0, "1 minute", "1分钟"), (95, "2 minutes", "2分钟"), (5000, "83 minutes", "83分钟"), (7300, "2 hours", "2小时")],
)
def test_duration(seconds: int, english: str, chinese: str) -> None:
    assert formats.duration(seconds, "en") == english
    assert formats.duration(seconds, "zh") == chinese


@pytest.mark.parametrize(
    ("minor", "currency", "words"),
    [
        (1250, "EUR", "€12.50"),
        (300, "JPY", "¥300"),
        (-5, "USD", "-$0.05"),
        (100000, "CHF", "CHF 1,000.00"),
        (0, "CNY", "¥0.00"),
    ],
)
def test_money(minor: int, currency: str, words: str) -> None:
    assert formats.money(minor, currency) == words


def test_dates_follow_the_shops_clock_and_unknown_zones_count_as_utc() -> None:
    late = 1_795_042_800_000 - 1
    assert formats.date(late, "en", "Asia/Shanghai") == "19 November 2026"
    assert formats.date(late, "en", "Europe/London") == formats.date(late, "en", "Nowhere/Land")


def test_listing() -> None:
    assert [formats.listing(items, "en") for items in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert formats.listing(["a", "b", "c"], "zh") == "a、b和c"
    assert formats.order_state("odd", "zh") == "odd"
