"""The demo shop's data: every reference leads somewhere, sums are right, and nothing lies in the future."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest

from assistant.demo import data
from assistant.escalation.frames import Resolve
from retrieval.articles import passages
from retrieval.documents import Article, Product

NOW = 1_780_000_000_000
DAY = data.DAY_MS
STATIC = Path(data.__file__).parents[1] / "static"


@pytest.fixture(scope="module")
def products() -> dict[str, dict[str, Product]]:
    found: dict[str, dict[str, Product]] = {}
    for product in data.load_products():
        assert product.locale not in found.setdefault(product.id, {})
        found[product.id][product.locale] = product
    return found


def test_every_product_stands_in_both_languages_with_the_same_facts(products: dict[str, dict[str, Product]]) -> None:
    assert 60 <= len(products) <= 80
    for variants in products.values():
        assert set(variants) == {"en", "zh"}
        english, chinese = variants["en"], variants["zh"]
        for fact in (
            "category",
            "brand",
            "price",
            "currency",
            "stock",
            "regions",
            "image",
            "url",
            "rating",
            "return_rate",
        ):
            assert getattr(english, fact) == getattr(chinese, fact)
        assert len(english.attributes) == len(chinese.attributes)
        assert re.search("[\u4e00-\u9fff]", chinese.title)
        assert re.search("[\u4e00-\u9fff]", chinese.description)
        assert not re.search("[\u4e00-\u9fff]", english.title + english.description + str(english.attributes))
        assert english.price > 0
        assert 0 <= (english.rating or 0) <= 5
        assert 0 <= (english.return_rate or 0) <= 1


def test_some_products_are_sold_out_and_most_are_not(products: dict[str, dict[str, Product]]) -> None:
    stocks = [variants["en"].stock for variants in products.values()]
    assert 3 <= stocks.count(0) <= 10


def test_every_category_has_a_small_picture_without_anything_foreign(products: dict[str, dict[str, Product]]) -> None:
    pictures = {variants["en"].image for variants in products.values()}
    assert pictures == {f"/static/shop/products/{file.name}" for file in (STATIC / "shop/products").glob("*.svg")}
    for picture in pictures:
        file = STATIC / picture.removeprefix("/static/")
        content = file.read_text("utf-8")
        assert len(content.encode()) < 2048
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(content).iter()}  # noqa: S314 - ours
        assert tags <= {"svg", "rect", "circle", "ellipse", "path"}
        assert "href" not in content


def test_contacts_are_about_forty_and_differ() -> None:
    contacts = data.load_contacts(NOW)
    assert 38 <= len(contacts) <= 45
    assert len({contact.external_id for contact in contacts}) == len(contacts)
    assert len({contact.email for contact in contacts}) == len(contacts)
    assert all(re.fullmatch(r"[a-z0-9.-]+@example\.(com|org|net)", contact.email) for contact in contacts)
    assert {contact.locale for contact in contacts} == {"en", "zh"}
    assert max(len(contact.name) for contact in contacts) > 40
    assert any(re.search("[\u0600-\u06ff]", contact.name) for contact in contacts)


def test_orders_add_up_and_lead_to_customers_and_products(products: dict[str, dict[str, Product]]) -> None:
    contacts = {contact.external_id: contact for contact in data.load_contacts(NOW)}
    orders = data.load_orders(NOW)
    assert len({order.order_no for order in orders}) == len(orders)
    assert [order.ordered_at for order in orders] == sorted(order.ordered_at for order in orders)
    for order in orders:
        buyer = contacts[order.external_customer_id]
        assert buyer.since_ms <= order.ordered_at <= NOW
        assert order.total == sum(line.quantity * line.unit_price for line in order.lines) - order.discount
        assert order.total >= 0
        assert (order.discount > 0) == (order.coupon is not None)
        assert order.lines
        for line in order.lines:
            assert line.title == products[line.product_id][buyer.locale].title
        assert (order.status == "delivered") == (order.delivered_at is not None)
        assert order.delivered_at is None or order.ordered_at < order.delivered_at <= NOW


def test_returns_lead_to_delivered_order_lines() -> None:
    orders = {order.order_no: order for order in data.load_orders(NOW)}
    returns = data.load_returns(NOW)
    assert len({item.return_no for item in returns}) == len(returns)
    for item in returns:
        order = orders[item.order_no]
        assert order.external_customer_id == item.external_customer_id
        assert item.product_id in {line.product_id for line in order.lines}
        assert 0 <= item.amount <= max(order.total, 0)
        assert order.delivered_at is not None
        assert order.delivered_at < item.returned_at <= NOW


def test_the_stories_that_the_demo_tells() -> None:
    orders = data.load_orders(NOW)
    of = {
        name: [order for order in orders if order.external_customer_id == name]
        for name in ("C1001", "C1002", "C1007", "C1041")
    }
    broken = [
        item for item in data.load_returns(NOW) if item.external_customer_id == "C1001" and item.reason == "quality"
    ]
    assert {item.order_no for item in broken} == {"47990", "48213"}
    times = [order.ordered_at for order in of["C1001"]]
    gaps = [(later - earlier) / DAY for earlier, later in pairwise(times)]
    assert sum(gaps[-4:]) / 4 > 1.5 * sum(gaps[:8]) / 8, "orders slow down"

    def late(order: data.DemoOrder) -> bool:
        assert order.promised_at is not None
        return (order.delivered_at or NOW) > order.promised_at

    assert all(late(order) for order in of["C1002"][-3:]), "three late deliveries in a row"
    assert all(order.coupon for order in of["C1007"])
    assert of["C1041"] == []
    returned = Counter(item.external_customer_id for item in data.load_returns(NOW))
    assert returned.most_common(1)[0][0] == "C1008"


def test_conversations_lead_to_customers_and_end_as_agents_can_end_them() -> None:
    contacts = {contact.external_id: contact for contact in data.load_contacts(NOW)}
    dispositions = set(get_args(Resolve.model_fields["disposition"].annotation))
    conversations = data.load_conversations(NOW)
    assert len(conversations) >= 30
    assert len({conversation.id for conversation in conversations}) == len(conversations)
    assert {conversation.locale for conversation in conversations} == {"en", "zh"}
    for conversation in conversations:
        times = [turn.at_ms for turn in conversation.turns]
        roles = {turn.role for turn in conversation.turns}
        assert conversation.turns[0].role == "contact"
        assert times == sorted(times)
        assert times[-1] <= NOW
        assert all(turn.text.strip() for turn in conversation.turns)
        assert conversation.csat in {None, 1, 2, 3, 4, 5}
        assert conversation.disposition is None or conversation.disposition in dispositions
        assert (conversation.disposition is not None) == (conversation.agent is not None) == ("agent" in roles)
        if conversation.external_customer_id is not None:
            assert contacts[conversation.external_customer_id].locale == conversation.locale


def test_ages_follow_the_clock_that_is_given() -> None:
    now, later = data.load_orders(NOW), data.load_orders(NOW + DAY)
    assert [order.ordered_at + DAY for order in now] == [order.ordered_at for order in later]


def test_help_stands_in_both_languages_with_the_same_facts() -> None:
    pages: dict[str, dict[str, Article]] = {}
    for article in data.load_articles():
        pages.setdefault(article.id, {})[article.locale] = article
    assert len(pages) >= 12
    for variants in pages.values():
        assert set(variants) == {"en", "zh"}
        english, chinese = variants["en"], variants["zh"]
        assert len(passages(english)) == len(passages(chinese))
        assert english.url == chinese.url.replace("zh", "en")
        amounts = [sorted(re.findall(r"\d+\.\d\d", page.body)) for page in (english, chinese)]
        assert amounts[0] == amounts[1]
        assert not re.search("[\u4e00-\u9fff]", english.title + english.body)
