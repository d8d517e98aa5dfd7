"""What the policy takes in and gives out. Pure data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ActionKind = Literal["reply", "clarify", "recommend", "offer", "escalate", "none"]


@dataclass(frozen=True, slots=True)
class Option:
    """One action that could be taken. Money in minor units of the site's currency."""

    key: str  # "reply:<script id>", "clarify:<script id>", "recommend:<script id>", "offer:<offer id>", "escalate", "none"
    kind: ActionKind
    uplift: float = 0.0  # change in the probability of staying, −1..1
    cost: int = 0  # offer, agent minute, annoyance
    relevance: float = 0.0  # how well it answers what was said, 0..1
    why_not: str | None = None  # set: not eligible, and why
    document_id: str | None = None
    treatment: bool = False  # meant to keep the customer, beyond ordinary service: never for holdout
    just_sent: bool = False  # the same wording was the last thing said: only when nothing else is left


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """Everything a decision depends on. Nothing in it can be raised by the customer's words but risk and the hard rules."""

    options: tuple[Option, ...]
    risk: float | None  # None: the score was unavailable
    band: Literal["low", "elevated", "high"]
    dissatisfaction: float | None
    need_human: float | None
    asks_for_human: bool
    safety: str | None  # "legal", "self_harm", "threat" …: a word that no bot should answer
    customer_value: int  # expected margin of the year ahead, minor units
    holdout: bool
    holder: str  # 'bot' or 'agent:<id>'
    superseded: bool  # a later message follows within the pause
    bot_replies_in_a_row: int  # without the customer being any happier
    agents_available: int
    queue_length: int
    floor: float
    temperature: float
    verified: bool = False
    waiting: bool = False  # a person has been called and nobody has taken over yet
    resolved: bool = False
    clarifies_in_a_row: int = 0
    needs_person: str | None = None  # the topic belongs with a person, says the playbook: the script's intent
    uplift_version: str | None = None  # of the learned uplift behind the options; None: the prior table
    offer_nudge: float = (
        0.0  # minor units on an offer's worth, so that groups of customers are treated alike (`fairness`)
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """One result of the policy. `probabilities` is over `eligible`, in order, and sums to 1.

    `overrides` names the rules that acted. `forced`: one of them took the decision, the propensity is 1.
    """

    action: Option
    eligible: tuple[Option, ...]
    probabilities: tuple[float, ...]
    values: tuple[float, ...]
    propensity: float
    explored: bool
    overrides: tuple[str, ...]
    ineligible: tuple[tuple[str, str], ...]
    policy_version: str
    forced: bool = False
    escalation_reason: str | None = None  # why a person is called, for the task
