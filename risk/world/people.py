"""Customers of the made-up shop: how they buy, when they write, and how likely each of them is to leave afterwards.

A life is drawn forwards in time. After an order the customer may write; the true probability of buying nothing in the 90 days after
that conversation follows from what the shop knows of the past and from what is behind the conversation, with interactions:

    logit p = −1.0 + 1.0 (ln(1 + r/30) − 0.6) − 0.9 (ln n − 1.1) + 1.2 late + 1.0 returned + 0.3 contacts        the past
              + reason + 0.45 intensity ∓ 0.7 (resolved or not) + leaving                                        the conversation
              ∓ loyal (0.5 resolved, 0.9 not) + 1.6 (coupons − 0.3) [price, unresolved] + 1.2 late [delivery]     both together
              + 0.3 intensity · contacts

with r days since the last order before the conversation, n orders, `late`, `returned` and `coupons` shares of them, `contacts`
earlier conversations in the 90 days before (at most 3), and loyal = (ln n − 1.1) in −1..1. Who expected most is lost most when let
down: an unresolved conversation turns the good sign of a long history round. Then the outcome is drawn, and the orders that follow
obey it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from risk.types import Message, OrderRecord, ReturnRecord
from risk.world.talk import Matter, Reason, converse, draw_matter
from risk.world.words import Speech

DAY: Final = 86_400_000
START: Final = 1_704_067_200_000  # 2024-01-01, UTC
SPAN_DAYS: Final = 800
HORIZON_DAYS: Final = 90
WRITES: Final = 0.45  # of the orders whose customer writes about them
RATES: Final = 0.35  # of the conversations that end with a rating
QUITS: Final = 0.06  # leaves after an order without a word
RETURNS_LATER: Final = 0.25  # of those who left, some are back after the window

REASON_EFFECT: Final[dict[Reason, float]] = {
    "delivery": 0.2, "quality": 0.6, "price": 0.2, "fit": -0.1, "service": 0.6, "account": -0.6, "question": -0.8,
}  # fmt: skip
LEAVING_EFFECT: Final = {"none": 0.0, "hint": 0.7, "announce": 1.6}


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation with its truth. `left` None: the window was not over when the shop's data ends."""

    id: str
    messages: tuple[Message, ...]
    matter: Matter
    probability: float
    left: bool | None
    csat: int | None  # 1..5, given by some

    @property
    def ended_at(self) -> int:
        """Time of the last message, UTC milliseconds."""
        return self.messages[-1].at_ms or 0


@dataclass(frozen=True, slots=True)
class Life:
    """All that happened between one customer and the shop."""

    customer: str
    language: str
    orders: tuple[OrderRecord, ...]
    returns: tuple[ReturnRecord, ...]
    talks: tuple[Talk, ...]


@dataclass(slots=True)
class _Past:
    """What the shop knows of a customer so far."""

    orders: list[OrderRecord]
    returns: list[ReturnRecord]
    talks: list[Talk]

    def share(self, count: int) -> float:
        """A count as a share of the orders."""
        return count / len(self.orders)

    @property
    def coupons(self) -> float:
        """Share of orders with a coupon."""
        return self.share(sum(o.coupon for o in self.orders))

    def late(self, at: int) -> float:
        """Share of late ones among orders delivered by then."""
        known = [o for o in self.orders if o.delivered_at is not None and o.delivered_at <= at]
        return sum((o.delivered_at or 0) > (o.promised_at or 0) for o in known) / max(len(known), 1)

    def returned(self, at: int) -> float:
        """Share of orders sent back by then."""
        return min(1.0, self.share(sum(r.ts_event <= at for r in self.returns)))

    def contacts(self, at: int) -> int:
        """Earlier conversations of the last 90 days, at most 3."""
        return min(3, sum(at - t.ended_at <= HORIZON_DAYS * DAY for t in self.talks))


def probability(past: _Past, matter: Matter, at: int) -> float:
    """The true probability of buying nothing in the 90 days after `at`; the formula stands at the top."""
    recency = (at - past.orders[-1].ts_event) / DAY
    length = math.log(len(past.orders)) - 1.1
    loyal = max(-1.0, min(1.0, length))
    late, contacts = past.late(at), past.contacts(at)
    x = (
        -1.0
        + 1.0 * (math.log1p(recency / 30) - 0.6)
        - 0.9 * length
        + 1.2 * late
        + 1.0 * past.returned(at)
        + 0.3 * contacts
    )
    x += REASON_EFFECT[matter.reason] + 0.45 * matter.intensity + LEAVING_EFFECT[matter.leaving]
    x += -0.7 - 0.5 * loyal if matter.resolved else 0.7 + 0.9 * loyal
    if matter.reason == "price" and not matter.resolved:
        x += 1.6 * (past.coupons - 0.3)
    if matter.reason == "delivery":
        x += 1.2 * late
    x += 0.3 * matter.intensity * contacts
    return 1 / (1 + math.exp(-x))


def live(number: int, customer: str, speech: dict[str, Speech], random: np.random.Generator) -> Life:
    """One customer's whole time with the shop, from a seeded generator of its own."""
    language = "zh" if random.random() < 0.5 else "en"
    gap = float(random.gamma(3.0, 14.0)) + 8.0  # mean days between orders
    coupon_liking, bad_luck, picky = (
        float(random.beta(1.2, 2.2)),
        float(random.beta(1.2, 5.0)),
        float(random.beta(1.0, 7.0)),
    )
    basket = float(random.lognormal(3.6, 0.5))
    end = START + SPAN_DAYS * DAY
    at = START + int(random.uniform(0, 0.7 * SPAN_DAYS) * DAY)
    past = _Past([], [], [])
    while at < end:
        order = _order(f"{number}{len(past.orders):03d}", at, coupon_liking, bad_luck, basket, random)
        past.orders.append(order)
        arrived = order.delivered_at or at
        gone_back = random.random() < picky
        if gone_back:
            when = arrived + int(random.uniform(2, 12) * DAY)
            past.returns.append(ReturnRecord(order.order_no, when, when, order.total))
        if random.random() >= WRITES:
            if random.random() < QUITS:
                break
            at += int((1.0 + random.exponential(gap)) * DAY)
            continue
        talked_at = arrived + int(random.exponential(18.0) * DAY)
        if talked_at >= end:
            break
        late = arrived > (order.promised_at or arrived)
        matter = draw_matter(random, late=late, returned=gone_back, coupons=past.coupons)
        messages = converse(matter, speech[language], talked_at, random)
        ended = messages[-1].at_ms or talked_at
        chance = probability(past, matter, ended)
        left = bool(random.random() < chance)
        mature = ended + HORIZON_DAYS * DAY <= end
        name = f"{customer}-{len(past.talks) + 1}"
        past.talks.append(Talk(name, messages, matter, chance, left if mature else None, _rating(matter, random)))
        if not left:
            soon = 1.0 + float(random.exponential(gap * 0.7))
            at = ended + int(min(soon, random.uniform(HORIZON_DAYS / 2, HORIZON_DAYS)) * DAY)
        elif random.random() < RETURNS_LATER:
            at = ended + int((HORIZON_DAYS + 5 + random.exponential(60.0)) * DAY)
        else:
            break
    returns = tuple(sorted((r for r in past.returns if r.ts_event < end), key=lambda r: r.ts_event))
    return Life(customer, language, tuple(past.orders), returns, tuple(past.talks))


def _rating(matter: Matter, random: np.random.Generator) -> int | None:
    """What the customer answers when asked for a rating; most do not."""
    if random.random() >= RATES:
        return None
    return int(np.clip(round((4.2 if matter.resolved else 2.4) - matter.intensity / 2 + random.normal(0.0, 0.8)), 1, 5))


def _order(
    number: str, at: int, coupon_liking: float, bad_luck: float, basket: float, random: np.random.Generator
) -> OrderRecord:
    promised = at + 4 * DAY
    on_time = random.random() >= bad_luck
    delivered = promised + int(random.uniform(-2, 0) * DAY if on_time else random.uniform(1, 9) * DAY)
    return OrderRecord(
        order_no=number,
        ts_event=at,
        ts_ingested=at,
        total=round(100 * basket * float(random.lognormal(0.0, 0.3))),
        quantity=1 + int(random.poisson(1.5)),
        distinct_products=1,
        coupon=bool(random.random() < coupon_liking),
        promised_at=promised,
        delivered_at=delivered,
    )
