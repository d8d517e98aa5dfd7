"""Replies: approved wording with its slots filled by a sandboxed template. Facts come from the shop's records, never from the
customer's words; a script whose slots are not all known is not used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from jinja2 import Template, TemplateError, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from assistant.turns import formats
from assistant.wire import MAX_BODY
from retrieval.documents import Offer, Product, Script

OFFER_SLOTS: Final = frozenset({"offer_amount", "offer_valid_until"})
PRODUCT_SLOTS: Final = frozenset({"product_title", "product_price", "product_list"})
DAY_MS: Final = 86_400_000
QUICK_REPLY: Final = 40  # code points that a button can show


class ReplyFault(Exception):
    """A script that cannot be worded: its template is broken, or a slot is missing."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What may be said about a customer, already checked to be theirs. Times in UTC ms, money in minor units."""

    language: str
    site_name: str
    currency: str
    timezone: str = "UTC"
    name: str | None = None
    order: Mapping[str, Any] | None = None  # a row of `orders`
    return_no: str | None = None
    wait_s: int | None = None  # how long a person takes to come; None where nobody can promise that


@dataclass(frozen=True, slots=True)
class Reply:
    """One bot event to append."""

    kind: str  # message, products, offer
    body: str
    data: Mapping[str, Any] = field(default_factory=dict)


class _Missing(Undefined):
    """Unknown names may be asked about (`{% if name %}`), but not printed."""

    def __str__(self) -> str:
        self._fail_with_undefined_error()


def _environment() -> ImmutableSandboxedEnvironment:
    # The output is plain text, shown as text: escaping would show entities to the customer.
    environment = ImmutableSandboxedEnvironment(autoescape=False, undefined=_Missing)
    environment.globals.clear()  # no range(), no lipsum(): a wording needs neither
    return environment


_ENVIRONMENT: Final = _environment()


def slots(facts: Facts) -> dict[str, str]:
    """The slots that are known, by name, worded in the customer's language."""
    known = {"site_name": facts.site_name, "shop": facts.site_name}
    if facts.name:
        known["name"] = facts.name
    if facts.return_no:
        known["return_no"] = facts.return_no
    if facts.wait_s is not None:
        known["agent_wait"] = formats.duration(facts.wait_s, facts.language)
    order = facts.order
    if order is not None:
        known["order_no"] = order["order_no"]
        known["order_status"] = formats.order_state(order["status"], facts.language)
        known["order_date"] = formats.date(order["ts_event"], facts.language, facts.timezone)
        known["order_total"] = formats.money(order["total"], order["currency"])
        titles = [str(line["title"]) for line in order["lines"] if line.get("title")]
        if titles:
            known["order_item"] = formats.listing(titles[:3], facts.language)
        for slot, column in (("promised_date", "promised_at"), ("delivered_date", "delivered_at")):
            if order[column] is not None:
                known[slot] = formats.date(order[column], facts.language, facts.timezone)
    return known


def product_slots(products: Sequence[Product], language: str) -> dict[str, str]:
    """Slots about products on offer; empty without any."""
    if not products:
        return {}
    return {
        "product_title": products[0].title,
        "product_price": formats.money(products[0].price, products[0].currency),
        "product_list": formats.listing([product.title for product in products], language),
    }


def offer_slots(offer: Offer, facts: Facts, now: int) -> dict[str, str]:
    """Slots about a benefit."""
    amount = f"{offer.amount}%" if offer.kind == "percent" else formats.money(offer.amount, facts.currency)
    return {
        "offer_amount": amount,
        "offer_valid_until": formats.date(now + offer.valid_days * DAY_MS, facts.language, facts.timezone),
    }


def render(script: Script, known: Mapping[str, str]) -> str:
    """The script's text with its slots filled. Raises ReplyFault when that cannot be done honestly."""
    missing = [slot for slot in script.slots if not known.get(slot)]
    if missing:
        raise ReplyFault(f"{script.id}: unknown slots {', '.join(missing)}")
    try:
        text = _template(script.text).render(known)
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise ReplyFault(f"{script.id}: {type(error).__name__}") from error
    text = text.strip()
    if not text or len(text) > MAX_BODY:
        raise ReplyFault(f"{script.id}: empty or too long")
    return text


def message(script: Script, known: Mapping[str, str]) -> Reply:
    """A plain reply."""
    return Reply("message", render(script, known), {"script": script.id, **_quick(script)})


def products(script: Script, known: Mapping[str, str], shown: Sequence[Product]) -> Reply:
    """A reply with product cards."""
    cards = [
        {
            "id": product.id,
            "title": product.title,
            "price": product.price,
            "currency": product.currency,
            "stock": product.stock,
            "image": product.image,
            "url": product.url,
            "category": product.category,
        }
        for product in shown
    ]
    return Reply("products", render(script, known), {"script": script.id, "products": cards, **_quick(script)})


def offer(script: Script, known: Mapping[str, str], *, decision_id: str, currency: str, now: int) -> Reply:
    """A reply that carries a benefit, to be taken or declined. Raises ReplyFault when the script has none."""
    if script.offer is None:
        raise ReplyFault(f"{script.id}: carries no offer")
    card = {
        "id": script.offer.id,
        "decision": decision_id,
        "kind": script.offer.kind,
        "amount": script.offer.amount,
        "currency": currency,
        "valid_until": now + script.offer.valid_days * DAY_MS,
        "title": script.title,
    }
    return Reply("offer", render(script, known), {"script": script.id, "offer": card, **_quick(script)})


@lru_cache(2048)
def _template(text: str) -> Template:
    """Compiled once: a playbook has a few hundred wordings."""
    return _ENVIRONMENT.from_string(text)


def _quick(script: Script) -> dict[str, Any]:
    return {"quick_replies": list(script.quick_replies)} if script.quick_replies else {}
