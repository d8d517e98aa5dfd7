"""The abuse gate: who gets no offer although risk and wallet would allow one. Pure.

Threatening to leave must not become the way to a voucher. Nothing here accuses anybody or changes the service: the only consequence
is that no offer is made, and the reason stands in the log.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 86_400_000
SETTLED_DAYS: Final = 14  # a customer for less long gets no offer
RETURNS_SHARE: Final = 0.6  # of orders, from which returning is a habit …
RETURNS_LEAST: Final = 4  # … when there were at least so many
CONVERSATIONS_WEEK: Final = 4  # so many within 7 days are fishing
UNUSED_ACCEPTED: Final = 2  # offers accepted without an order afterwards

_DEMAND: Final = re.compile(
    r"\b(?:give|offer|send|get|want|need|demand|expect|deserve|have|any|some)\b.{0,30}"
    r"\b(?:discount|voucher|coupon|promo(?:\s*code)?|compensation|money\s+off|free\s+(?:shipping|delivery|gift)|\d+\s*(?:%|percent))"
    r"|\b(?:unless|or\s+i(?:'ll|\s+will|'m)\b).{0,40}\b(?:discount|voucher|coupon|compensat\w+|%|leav\w+|cancel)"
    r"|(?:给|給|送|要|发|發|赔|賠|补偿|補償|有没有|有沒有|来|來)(?:我|点|點|一?张|一?張|个|個|些|吗){0,3}.{0,6}"
    r"(?:优惠券|優惠券|优惠|優惠|代金券|红包|紅包|折扣|券|补偿|補償|赔偿|賠償|满减)|打[一二三四五六七八九\d]+折|便宜(?:点|點|一点)|(?:不|再)(?:给|便宜|优惠).{0,10}(?:就|我)(?:走|不买|换)"
)


@dataclass(frozen=True, slots=True)
class Signals:
    """What the shop's records say about a customer. Times in UTC ms."""

    first_seen_at: int | None
    orders: int  # not cancelled
    returns: int
    conversations_week: int  # started in the last 7 days, this one included
    accepted_unused: int  # offers accepted with no order since


def why_no_benefit(signals: Signals, text: str, now: int) -> str | None:
    """The first rule that speaks against an offer in this turn, as a code, or None."""
    if signals.first_seen_at is None or now - signals.first_seen_at < SETTLED_DAYS * DAY_MS:
        return "abuse_new"
    if signals.returns >= RETURNS_LEAST and signals.returns > RETURNS_SHARE * max(1, signals.orders):
        return "abuse_returns"
    if signals.conversations_week >= CONVERSATIONS_WEEK:
        return "abuse_fishing"
    if signals.accepted_unused >= UNUSED_ACCEPTED:
        return "abuse_unused"
    return "abuse_demanded" if demands_benefit(text) else None


def demands_benefit(text: str) -> bool:
    """Whether the text asks for a discount, a voucher or the like. Then is the wrong moment to give one."""
    folded = unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()
    return _DEMAND.search(re.sub(r"\s+", " ", folded)) is not None
