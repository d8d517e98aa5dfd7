"""What an action is believed to do and to cost, until this shop's own log has taught an uplift model.

**These are assumptions, not measurements.** No public data set holds the effect of chat answers on staying, so the table is a
prior: small, ordered the way field experiments suggest (offers and people help those at risk and hardly anybody else; Ascarza 2018;
risk alone does not say whom to treat), and versioned through its hash, which is part of the policy's version. It is replaced by
learned uplift, never edited to make a figure look better. Money is in minor units of a currency worth about a euro.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Final

from assistant.policy.types import ActionKind

# Change in the probability that the customer stays, by action and risk band, for an action that fits what was said.
UPLIFT: Final[dict[ActionKind, dict[str, float]]] = {
    "reply": {"low": 0.005, "elevated": 0.015, "high": 0.020},
    "clarify": {"low": 0.000, "elevated": 0.002, "high": 0.002},
    "recommend": {"low": 0.004, "elevated": 0.008, "high": 0.004},
    "offer": {"low": 0.000, "elevated": 0.040, "high": 0.060},
    "escalate": {"low": 0.005, "elevated": 0.030, "high": 0.080},
    "none": {"low": 0.000, "elevated": 0.000, "high": 0.000},
}


@dataclass(frozen=True, slots=True)
class Prices:
    """What an action costs besides its benefit, in minor units."""

    agent_minute: int = 60
    minutes_an_escalation: int = 6
    unanswered: int = 3000  # a question that is not answered comes back, or does not
    annoyance_offer: int = 50
    annoyance_recommend: int = 60
    annoyance_clarify: int = 60  # times the clarifying questions in a row
    repeated: int = 1500  # the same wording again
    clarify_relevance: float = (
        0.40  # a clarifying question that names what was likely meant is a good part of an answer
    )
    escalate_relevance: float = 0.9

    def scaled(self, factor: float) -> Prices:
        """The same prices in a currency whose unit is worth 1/`factor` euro."""
        return replace(
            self,
            agent_minute=round(self.agent_minute * factor),
            unanswered=round(self.unanswered * factor),
            annoyance_offer=round(self.annoyance_offer * factor),
            annoyance_recommend=round(self.annoyance_recommend * factor),
            annoyance_clarify=round(self.annoyance_clarify * factor),
            repeated=round(self.repeated * factor),
        )


PRICES: Final = Prices()

# Rough worth of a euro cent in a currency's minor unit; other currencies count as 1. A scale for priors, no exchange rate.
SCALE: Final = {"CNY": 7.5, "HKD": 8.5, "TWD": 35.0, "JPY": 1.6, "KRW": 15.0, "INR": 95.0, "SEK": 11.0, "CZK": 25.0}

DEFAULT_VALUE: Final = 3000  # margin of the year ahead from a customer of whom nothing is known
MARGIN: Final = 0.3  # share of turnover that is margin


def uplift(kind: ActionKind, band: str, relevance: float) -> float:
    """Believed change in the probability of staying; what does not fit what was said does proportionally less."""
    return UPLIFT[kind][band] * (relevance if kind in ("reply", "recommend", "offer") else 1.0)


def cost(
    kind: ActionKind,
    prices: Prices,
    *,
    relevance: float,
    benefit: int = 0,
    repeats: int = 0,
    clarifies: int = 0,
    agents_available: int = 1,
    queue_length: int = 0,
) -> int:
    """Expected cost of an action in minor units: benefit, agent time at the price of the queue, annoyance, the open question.

    Agent time is dearer when the queue is long: minutes × price × (1 + queue ÷ agents); with nobody there it counts as one
    agent with one more customer waiting.
    """
    if kind == "none":
        return prices.unanswered
    unanswered = prices.unanswered * (1.0 - max(0.0, min(1.0, relevance)))
    total = unanswered + benefit + prices.repeated * repeats
    if kind == "escalate":
        waiting = queue_length + (0 if agents_available else 1)
        total += prices.agent_minute * prices.minutes_an_escalation * (1.0 + waiting / max(1, agents_available))
    elif kind == "offer":
        total += prices.annoyance_offer
    elif kind == "recommend":
        total += prices.annoyance_recommend
    elif kind == "clarify":
        total += prices.annoyance_clarify * (1 + clarifies)
    return round(total)


def table_hash() -> str:
    """First 8 hexadecimal digits of the hash of everything above; part of the policy's version."""
    content = {"uplift": UPLIFT, "prices": asdict(PRICES), "scale": SCALE, "value": DEFAULT_VALUE, "margin": MARGIN}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
