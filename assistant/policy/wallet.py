"""The offer wallet: what may be given away, a period and a customer. Pure; whoever asks reads the entries.

A shown offer is money spoken for. Declined or expired, it is free again; accepted, it is spent. What the customer writes is no
argument of anything here: words can never raise what the wallet allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

DAY_MS: Final = 86_400_000
State = Literal["shown", "accepted", "declined", "expired"]


@dataclass(frozen=True, slots=True)
class WalletRules:
    """Limits of one site, money in minor units of its currency. They come from `site.settings["wallet"]`."""

    budget: int = 200_000  # a period, all customers together
    period_days: int = 30
    customer_cap: int = 3_000  # a customer and period
    cooldown_days: int = 30  # between two offers to a customer, answered or not
    least_margin: float = 0.1  # share of the customer's turnover of the year that must remain as margin after the offer
    most_declined: int = 3  # offers declined in a row, after which no more are made in the period

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Rules of a site; unknown keys are refused. Raises ValueError on a value that makes no sense."""
        unknown = set(settings) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown wallet settings: {', '.join(sorted(unknown))}")
        rules = cls(**settings)
        if min(rules.budget, rules.customer_cap, rules.cooldown_days, rules.most_declined) < 0 or rules.period_days < 1:
            raise ValueError("wallet limits cannot be negative, and a period has at least a day")
        if not 0.0 <= rules.least_margin < 1.0:
            raise ValueError("least_margin lies in [0, 1)")
        return rules


@dataclass(frozen=True, slots=True)
class WalletEntry:
    """One row of the wallet: an offer changed state."""

    decision_id: str
    offer_id: str
    state: State
    amount: int
    at: int


@dataclass(frozen=True, slots=True)
class Wallet:
    """What is known when an offer is weighed. `committed` is the site's sum in this period, `entries` are the customer's own."""

    rules: WalletRules
    committed: int
    entries: Sequence[WalletEntry]
    orders: int  # of the verified customer
    turnover_year: int  # minor units, returns taken off
    margin: float  # share of turnover that is margin


def committed(entries: Sequence[WalletEntry], *, since: int) -> int:
    """Money given or spoken for by offers shown at or after `since`, in minor units."""
    latest: dict[tuple[str, str], WalletEntry] = {}
    shown: set[tuple[str, str]] = set()
    for entry in sorted(entries, key=lambda e: e.at):
        offer = (entry.decision_id, entry.offer_id)
        if entry.state == "shown" and entry.at >= since:
            shown.add(offer)
        latest[offer] = entry
    return sum(latest[offer].amount for offer in shown if latest[offer].state in ("shown", "accepted"))


def left(wallet: Wallet, now: int) -> int:
    """What a single offer may cost this customer now, in minor units, before cooldown and identity are asked."""
    rules = wallet.rules
    since = now - rules.period_days * DAY_MS
    own = committed(wallet.entries, since=since)
    spare_margin = int(wallet.turnover_year * max(0.0, wallet.margin - rules.least_margin)) - own
    return max(0, min(rules.budget - wallet.committed, rules.customer_cap - own, spare_margin))


def why_no_offer(wallet: Wallet, *, cost: int, verified: bool, now: int) -> str | None:
    """Why an offer of this cost may not be made, or None. Codes start with `wallet_` but for identity and orders."""
    if not verified:
        return "unverified"
    if wallet.orders < 1:
        return "no_orders"
    rules = wallet.rules
    since = now - rules.period_days * DAY_MS
    shown = [entry for entry in wallet.entries if entry.state == "shown"]
    if any(entry.at > now - rules.cooldown_days * DAY_MS for entry in shown):
        return "wallet_cooldown"
    if _declined_in_a_row(wallet.entries, since) >= max(1, rules.most_declined):
        return "wallet_declined"
    if cost > rules.budget - wallet.committed:
        return "wallet_empty"
    if cost > left(wallet, now):
        return "wallet_cap"
    return None


def _declined_in_a_row(entries: Sequence[WalletEntry], since: int) -> int:
    count = 0
    for entry in sorted(entries, key=lambda e: e.at, reverse=True):
        if entry.at < since or entry.state == "accepted":
            break
        count += entry.state in ("declined", "expired")
    return count
