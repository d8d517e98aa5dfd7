"""The demo shop: Alder & Brook (木溪), household and outdoor goods. Catalogue, help pages, customers, orders, returns,
earlier conversations.

Everything stands in JSON lines under `data/`. Nothing there is dated: a row says how many days before now it happened, so
that the demo is as fresh next year as today. The loaders turn these ages into timestamps (UTC milliseconds) from the `now_ms`
they are given. Money is in minor units, as in the database.

    products.jsonl       the fields of `retrieval.documents.Product`; one row a locale, both with the same id
    articles.jsonl       help pages as `retrieval.articles` imports them; one row a locale, both with the same id
    contacts.jsonl       external_id, name, email, locale, region, since_days, story (one line about who it is)
    orders.jsonl         order_no, external_customer_id, status, total, currency, coupon, discount, days_ago,
                         promised_after and delivered_after (days after the order; null: not known, not yet), lines
    returns.jsonl        return_no, order_no, external_customer_id, product_id, reason, amount, days_ago
    conversations.jsonl  id, external_customer_id (null: a guest), locale, days_ago (of the first turn), csat, resolved,
                         disposition and agent (null where no agent took part), turns of {role, text, after_s}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import orjson

from retrieval.articles import ArticleRow
from retrieval.documents import Article, Product

SHOP_NAME = {"en": "Alder & Brook", "zh": "木溪"}
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class DemoContact:
    """A customer of the shop. `since_ms`: when the account was opened."""

    external_id: str
    name: str
    email: str
    locale: str
    region: str
    since_ms: int
    story: str


@dataclass(frozen=True, slots=True)
class DemoLine:
    """One line of an order; the title is in the customer's language."""

    product_id: str
    title: str
    quantity: int
    unit_price: int


@dataclass(frozen=True, slots=True)
class DemoOrder:
    """One order. `total` is what was paid: the lines less `discount`."""

    order_no: str
    external_customer_id: str
    status: Literal["placed", "shipped", "delivered", "cancelled"]
    total: int
    currency: str
    coupon: str | None
    discount: int
    ordered_at: int
    promised_at: int | None
    delivered_at: int | None
    lines: tuple[DemoLine, ...]


@dataclass(frozen=True, slots=True)
class DemoReturn:
    """One returned item. `reason` is the shop's code: fit, quality, wrong_item, not_as_described."""

    return_no: str
    order_no: str
    external_customer_id: str
    product_id: str
    reason: str
    amount: int
    returned_at: int


@dataclass(frozen=True, slots=True)
class DemoTurn:
    """One message of an earlier conversation."""

    role: Literal["contact", "bot", "agent"]
    text: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class DemoConversation:
    """An earlier conversation. The customer's turns are there to be played through the pipeline; the answers show how it went."""

    id: str
    external_customer_id: str | None  # None: a guest
    locale: str
    csat: int | None
    resolved: bool
    disposition: str | None
    agent: str | None
    turns: tuple[DemoTurn, ...]

    @property
    def started_at(self) -> int:
        """Time of the first turn."""
        return self.turns[0].at_ms


def load_products() -> tuple[Product, ...]:
    """The catalogue, one product a locale, ordered as in the file."""
    return tuple(Product(**{**row, "regions": tuple(row["regions"])}) for row in _rows("products"))


def load_articles() -> tuple[Article, ...]:
    """The shop's help pages, one article a locale, ordered as in the file."""
    return tuple(ArticleRow.model_validate(row).article() for row in _rows("articles"))


def load_contacts(now_ms: int) -> tuple[DemoContact, ...]:
    """All customers of the shop."""
    return tuple(
        DemoContact(
            external_id=row["external_id"],
            name=row["name"],
            email=row["email"],
            locale=row["locale"],
            region=row["region"],
            since_ms=_before(now_ms, row["since_days"]),
            story=row["story"],
        )
        for row in _rows("contacts")
    )


def load_orders(now_ms: int) -> tuple[DemoOrder, ...]:
    """All orders, oldest first."""
    return tuple(_order(row, now_ms) for row in _rows("orders"))


def load_returns(now_ms: int) -> tuple[DemoReturn, ...]:
    """All returns, oldest first."""
    return tuple(
        DemoReturn(
            return_no=row["return_no"],
            order_no=row["order_no"],
            external_customer_id=row["external_customer_id"],
            product_id=row["product_id"],
            reason=row["reason"],
            amount=row["amount"],
            returned_at=_before(now_ms, row["days_ago"]),
        )
        for row in _rows("returns")
    )


def load_conversations(now_ms: int) -> tuple[DemoConversation, ...]:
    """Earlier conversations, oldest first."""
    return tuple(_conversation(row, now_ms) for row in _rows("conversations"))


def _rows(name: str) -> Iterator[dict[str, Any]]:
    content = resources.files("assistant.demo").joinpath("data", f"{name}.jsonl").read_bytes()
    for line in content.splitlines():
        yield orjson.loads(line)


def _before(now_ms: int, days: float) -> int:
    return now_ms - round(days * DAY_MS)


def _order(row: dict[str, Any], now_ms: int) -> DemoOrder:
    ordered_at = _before(now_ms, row["days_ago"])

    def after(days: float | None) -> int | None:
        return None if days is None else ordered_at + round(days * DAY_MS)

    return DemoOrder(
        order_no=row["order_no"],
        external_customer_id=row["external_customer_id"],
        status=row["status"],
        total=row["total"],
        currency=row["currency"],
        coupon=row["coupon"],
        discount=row["discount"],
        ordered_at=ordered_at,
        promised_at=after(row["promised_after"]),
        delivered_at=after(row["delivered_after"]),
        lines=tuple(DemoLine(**line) for line in row["lines"]),
    )


def _conversation(row: dict[str, Any], now_ms: int) -> DemoConversation:
    started_at = _before(now_ms, row["days_ago"])
    return DemoConversation(
        id=row["id"],
        external_customer_id=row["external_customer_id"],
        locale=row["locale"],
        csat=row["csat"],
        resolved=row["resolved"],
        disposition=row["disposition"],
        agent=row["agent"],
        turns=tuple(
            DemoTurn(role=turn["role"], text=turn["text"], at_ms=started_at + turn["after_s"] * 1000)
            for turn in row["turns"]
        ),
    )
