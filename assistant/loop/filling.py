"""A made-up shop put into a site's database as its log: months of conversations, decisions, orders and returns to try the loop on.

Customers and words are those of `risk.world`; the policy's score is the truth with noise, its draws and probabilities are those of
the product, and each decision passes the log's own checks. What came of it is left to be found: labels mature from the orders, as
in a shop. The truth is known: an offer keeps `KEPT` of those who would have left, more of those who buy with coupons.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Table, insert, select
from ulid import ULID

from assistant.errors import Conflict
from assistant.identity.keys import customer_key
from assistant.outcomes import log, store
from assistant.policy.decide import VERSION, pick, probabilities
from assistant.policy.draws import draw_from, seed_for
from assistant.policy.holdout import in_holdout
from assistant.storage.engine import Storage
from assistant.storage.tables import contact, conversation, decision, event, order_return, orders, score, site
from risk.history.features import FEATURES, features
from risk.types import ContactRecord, History, Message, OrderRecord
from risk.world import people, shop
from risk.world.people import Life, Talk

CHUNK: Final = 50  # customers a transaction
FLOOR: Final = 0.02
TEMPERATURE: Final = 300.0
ELEVATED: Final = 0.45
HIGH: Final = 0.65
KEPT: Final = 0.6  # share of those who would have left whom an offer keeps, where coupons are liked …
KEPT_ELSE: Final = 0.1  # … and where they are not
LIKED: Final = 0.3  # share of orders with a coupon from which they are
CLOSED: Final = 60_000  # a conversation is closed so many ms after its last word
NOISE: Final = 0.5  # of the score, in logits
MODEL: Final = "made-up"
REPLIES: Final = ("reply:a", "reply:b")
OFFER: Final = "offer:voucher"
SAID: Final = {
    "en": {"reply": "You are welcome.", "offer": "Here is a voucher for your next order."},
    "zh": {"reply": "不客气。", "offer": "送您一张下次可用的优惠券。"},
}

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Filled:
    """What was put in."""

    customers: int
    conversations: int
    messages: int
    decisions: int
    offers: int
    orders: int


@dataclass(frozen=True, slots=True)
class _Site:
    id: str
    salt: str
    rate: float
    secret: bytes
    later: int  # added to the times of the made-up shop


class _Rows:
    """Rows of a chunk by table, in the order in which they may be inserted."""

    def __init__(self) -> None:
        self.of: dict[Table, list[dict[str, Any]]] = {
            table: [] for table in (contact, orders, order_return, conversation, event, score)
        }
        self.decisions: list[dict[str, Any]] = []
        self.ratings: list[dict[str, Any]] = []

    def put(self, connection: Connection) -> None:
        """Stores them."""
        for table, rows in self.of.items():
            if rows:
                connection.execute(insert(table), rows)
        for row in self.decisions:
            log.write(connection, row)
        for rating in self.ratings:
            store.record(connection, **rating)


def fill(
    storage: Storage,
    site_id: str,
    *,
    decisions: int,
    secret: bytes,
    now: int,
    seed: int = 0,
    report: Report | None = None,
) -> Filled:
    """Puts customers in until the log holds at least `decisions`; the made-up shop's time ends at `now` (UTC ms).

    Raises `Conflict` for a site that has decisions already: what was made up and what happened must not be mixed.
    """
    found = storage.read_sync(lambda connection: _site(connection, site_id, secret, now))
    made = [0] * 6
    rows = _Rows()
    for number, life in enumerate(shop.lives("train", seed), start=1):
        random = np.random.default_rng([seed, 2, number])
        _customer(life, found, rows, random)
        if number % CHUNK == 0 or made[3] + len(rows.decisions) >= decisions:
            storage.write_sync(rows.put)
            for place, count in enumerate(_counted(rows)):
                made[place] += count
            rows = _Rows()
            if report is not None:
                report("decisions", min(made[3], decisions), decisions)
        if made[3] >= decisions:
            break
    return Filled(*made)


def _counted(rows: _Rows) -> tuple[int, ...]:
    sizes = {table: len(found) for table, found in rows.of.items()}
    offers = sum(row["kind"] == "offer" for row in rows.decisions)
    return sizes[contact], sizes[conversation], sizes[event], len(rows.decisions), offers, sizes[orders]


def _site(connection: Connection, site_id: str, secret: bytes, now: int) -> _Site:
    if connection.execute(select(decision.c.id).where(decision.c.site_id == site_id).limit(1)).first() is not None:
        raise Conflict("this site has a log already: a made-up one goes into a site of its own")
    row = connection.execute(select(site.c.holdout_salt, site.c.holdout_rate).where(site.c.id == site_id)).one()
    end = people.START + people.SPAN_DAYS * people.DAY
    return _Site(site_id, row.holdout_salt, row.holdout_rate, secret, now - end)


def _id(at: int) -> str:
    """A ULID of that time: ids of the log sort by time."""
    return str(ULID.from_timestamp(at / 1000))


def _customer(life: Life, found: _Site, rows: _Rows, random: np.random.Generator) -> None:
    """All of one customer's rows. Offers change what follows: who is kept orders once more within the window."""
    key = customer_key(found.secret, found.id, life.customer)
    held = in_holdout(key, found.salt, found.rate)
    first = min(order.ts_event for order in life.orders) + found.later
    contact_id = _id(first)
    rows.of[contact].append(
        {
            "id": contact_id, "site_id": found.id, "external_id": life.customer, "customer_key": key, "verified": True,
            "locale": life.language, "attributes": {}, "first_seen_at": first,
        }
    )  # fmt: skip
    bought = [_moved(order, found.later) for order in life.orders]
    returned = [
        replace(back, ts_event=back.ts_event + found.later, ts_ingested=back.ts_ingested + found.later)
        for back in life.returns
    ]
    liked = sum(order.coupon for order in life.orders) / len(life.orders) >= LIKED
    past: list[ContactRecord] = []
    for talk in life.talks:
        history = History(tuple(bought), tuple(returned), tuple(past), first_seen_ms=first)
        offered = _talk(talk, life, found, rows, random, history, contact_id, key, held)
        ended = talk.ended_at + found.later
        past.append(ContactRecord((talk.messages[0].at_ms or 0) + found.later, ended + CLOSED, talk.csat))
        kept = KEPT if liked else KEPT_ELSE
        if offered and talk.left and random.random() < kept:
            at = ended + int(random.uniform(5, people.HORIZON_DAYS - 5) * people.DAY)
            again = replace(bought[0], order_no=f"{talk.id}-kept", ts_event=at, ts_ingested=at)
            bought.append(replace(again, promised_at=None, delivered_at=None, coupon=True))
    for order in bought:
        rows.of[orders].append(
            {
                "id": _id(order.ts_event), "site_id": found.id, "order_no": f"{life.customer}-{order.order_no}",
                "external_customer_id": life.customer, "status": "placed", "total": order.total, "currency": "EUR",
                "coupon": "MADE-UP" if order.coupon else None, "promised_at": order.promised_at,
                "delivered_at": order.delivered_at, "lines": [{"product_id": "made-up", "quantity": order.quantity}],
                "ts_event": order.ts_event, "ts_ingested": order.ts_ingested,
            }
        )  # fmt: skip
    for place, back in enumerate(returned):
        rows.of[order_return].append(
            {
                "id": _id(back.ts_event), "site_id": found.id, "return_no": f"{life.customer}-{back.order_no}-{place}",
                "order_no": f"{life.customer}-{back.order_no}", "external_customer_id": life.customer,
                "amount": back.amount, "ts_event": back.ts_event, "ts_ingested": back.ts_ingested,
            }
        )  # fmt: skip


def _moved(order: OrderRecord, later: int) -> OrderRecord:
    def moved(at: int | None) -> int | None:
        return None if at is None else at + later

    return replace(
        order,
        ts_event=order.ts_event + later,
        ts_ingested=order.ts_ingested + later,
        promised_at=moved(order.promised_at),
        delivered_at=moved(order.delivered_at),
    )


def _talk(
    talk: Talk,
    life: Life,
    found: _Site,
    rows: _Rows,
    random: np.random.Generator,
    history: History,
    contact_id: str,
    key: str,
    held: bool,
) -> bool:
    """Events, scores and decisions of one conversation; whether an offer was made in it."""
    starts = (talk.messages[0].at_ms or 0) + found.later
    conv, ended = _id(starts), talk.ended_at + found.later
    spoken: list[dict[str, Any]] = []
    offered = False

    def say(message: Message, reply_to: int | None = None) -> None:
        at = (message.at_ms or 0) + found.later
        sender = "agent:made-up" if message.role == "agent" else message.role
        spoken.append(
            {
                "conversation_id": conv, "seq": len(spoken) + 1, "id": _id(at), "sender": sender, "kind": "message",
                "cmid": None, "reply_to": reply_to, "body": message.text, "data": {}, "at": at,
            }
        )  # fmt: skip

    joined = False
    for place, message in enumerate(talk.messages):
        say(message)
        if message.role != "contact":
            joined |= message.role == "agent"
            continue
        following = talk.messages[place + 1].role if place + 1 < len(talk.messages) else None
        at = (message.at_ms or 0) + found.later
        by_agent = joined or following == "agent"
        forced = "agent_holds" if by_agent else "superseded" if following == "contact" else None
        logit = math.log(talk.probability / (1.0 - talk.probability)) + NOISE * float(random.normal())
        churn = 1.0 / (1.0 + math.exp(-logit))
        row = _decision(found, conv, len(spoken), at, life, key, held, churn, forced, following is None, history)
        if following is None and forced is None:
            said = SAID[life.language]["offer" if row["kind"] == "offer" else "reply"]
            say(Message("bot", said, (message.at_ms or 0) + 1000), reply_to=len(spoken))
        row["reply_seq"] = None if forced else row["seq"] + 1
        offered |= row["kind"] == "offer"
        rows.decisions.append(row)
        rows.of[score].append(
            {
                "id": _id(at), "conversation_id": conv, "seq": row["seq"], "model_version": MODEL, "churn": churn,
                "churn_raw": churn, "band": row["band"], "as_of": at, "created_at": at,
            }
        )  # fmt: skip
    rows.of[conversation].append(
        {
            "id": conv, "site_id": found.id, "contact_id": contact_id, "epoch": conv, "status": "resolved",
            "head": len(spoken), "locale": life.language, "csat": talk.csat, "created_at": starts, "updated_at": ended + CLOSED,
            "resolved_at": ended + CLOSED,
        }
    )  # fmt: skip
    rows.of[event] += spoken
    if talk.csat is not None:
        last = rows.decisions[-1]
        rows.ratings.append(
            {
                "site_id": found.id, "idempotency_key": f"csat:{conv}", "type": "csat", "source": "widget", "ts_event": ended,
                "now": ended, "decision_id": last["id"], "conversation_id": conv, "value": float(talk.csat),
            }
        )  # fmt: skip
    return offered


def _decision(
    found: _Site,
    conv: str,
    seq: int,
    at: int,
    life: Life,
    key: str,
    held: bool,
    churn: float,
    forced: str | None,
    last: bool,
    history: History,
) -> dict[str, Any]:
    """A row of the log. Risk opens the gate for an offer, at the conversation's last word; the draw is the product's own."""
    band = "high" if churn >= HIGH else "elevated" if churn >= ELEVATED else "low"
    seed = seed_for(found.secret, conv, seq, VERSION)
    eligible, values = list(REPLIES), [100.0, 50.0]
    if forced is not None:
        eligible, values, chances = ["none"], [0.0], [1.0]
    else:
        if band != "low" and not held and last:
            eligible, values = [*eligible, OFFER], [*values, 100.0 if band == "high" else -100.0]
        chances = list(probabilities(values, floor=FLOOR, temperature=TEMPERATURE))
    index = pick(chances, draw_from(seed))
    served = (None if math.isnan(value) else float(value) for value in features(history, at))
    overrides = [forced] if forced is not None else ["holdout"] if held and last and band != "low" else []
    return {
        "id": _id(at), "site_id": found.id, "conversation_id": conv, "seq": seq, "customer_key": key, "ts_decision": at,
        "channel": "web", "locale": life.language, "as_of": at, "features": dict(zip(FEATURES, served, strict=True)),
        "versions": {"policy": VERSION, "temperature": repr(TEMPERATURE), "model": MODEL}, "score_raw": churn, "score": churn,
        "band": band, "eligible": eligible, "probabilities": chances, "values": values, "action": eligible[index],
        "kind": eligible[index].partition(":")[0], "propensity": chances[index], "explored": values[index] < max(values),
        "floor": FLOOR, "seed": seed, "holdout": held, "overrides": overrides, "candidates": [],
        "cost": 500 if eligible[index] == OFFER else 0, "delivered_at": None if forced else at,
        "not_delivered": forced, "latency_ms": 0.0,
    }  # fmt: skip
