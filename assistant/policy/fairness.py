"""Offer rates that a shop wants to be alike: how far they may lie apart between groups, and what is done when they drift. Pure.

The constraint is demographic parity of offers: of the customers of a group who wrote within the period, the share who were offered
something. The largest difference between two groups is fairlearn's `demographic_parity_difference`, and `staywell evaluate
fairness --by group` measures it from the log. A group is what the shop itself says of a customer (an attribute that it imported),
never what somebody wrote or what could be guessed.

Eligibility comes first: nobody gets an offer who may not have one, the holdout least of all. Behind it, an offer's worth is moved:
down in a group that is ahead, up in one that is behind, the more the nearer the difference comes to the bound. Probabilities follow
from the moved worth by the one rule of `decide`, floor and all, so that what is logged stays exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

STRENGTH: Final = 6.0  # temperatures by which an offer's worth is moved at the bound: its odds change by e^6
FREE: Final = 0.5  # share of the bound up to which nothing is moved

Counts = Mapping[str, tuple[int, int]]  # group → customers who wrote, and those of them who were offered something


@dataclass(frozen=True, slots=True)
class FairnessRule:
    """A shop's constraint, from `site.settings["fairness"]`. `by` names an attribute of customers."""

    by: str
    within: float  # largest difference of offer rates between two groups
    period_days: int = 30
    least: int = 30  # customers of a group before it is compared

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self | None:
        """The rule; None without one. Raises ValueError on values that make no sense."""
        if not settings:
            return None
        unknown = set(settings) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown fairness settings: {', '.join(sorted(unknown))}")
        try:
            rule = cls(**settings)
        except TypeError as missing:
            raise ValueError("a fairness rule names an attribute (by) and a bound (within)") from missing
        if not isinstance(rule.by, str) or not 1 <= len(rule.by) <= 64:
            raise ValueError("`by` is the name of a customer attribute")
        numbers = (rule.within, rule.period_days, rule.least)
        if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
            raise ValueError("a bound, a period and a least size are numbers")
        if not 0.0 < rule.within <= 1.0:
            raise ValueError("`within` lies above 0 and at most 1")
        if not 1 <= rule.period_days <= 366 or rule.least < 1:
            raise ValueError("a period has 1 to 366 days, and a group is compared from 1 customer on")
        return rule

    def group_of(self, attributes: Mapping[str, Any]) -> str | None:
        """`by=value` of a customer; None where the shop has not said."""
        value = attributes.get(self.by)
        return None if value is None or value == "" else f"{self.by}={value}"[:120]

    def __str__(self) -> str:
        return f"{self.by} within {self.within!r}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a group stands. `gap`: the largest difference of rates; `ahead`: this group's rate over the middle of the extremes."""

    rule: FairnessRule
    group: str
    gap: float = 0.0
    ahead: float = 0.0

    def nudge(self, temperature: float) -> float:
        """What is added to the worth of an offer."""
        return nudge(self.rule.within, self.gap, self.ahead, temperature)


def standing(rule: FairnessRule, group: str, counts: Counts) -> Standing:
    """A group among those that are large enough; nothing to compare: no difference."""
    rates = {name: offered / wrote for name, (wrote, offered) in counts.items() if wrote >= rule.least}
    if group not in rates or len(rates) < 2:
        return Standing(rule, group)
    low, high = min(rates.values()), max(rates.values())
    return Standing(rule, group, high - low, rates[group] - (low + high) / 2.0)


def nudge(within: float, gap: float, ahead: float, temperature: float) -> float:
    """What is added to the worth of an offer, in minor units like `temperature`.

    Nothing up to half of the bound; from there on it grows in proportion, to ± `STRENGTH` temperatures for the two extreme groups
    once the difference reaches the bound. Groups between the extremes are moved in proportion.
    """
    if gap <= FREE * within:
        return 0.0
    urgency = min(1.0, (gap - FREE * within) / (within - FREE * within))
    return -STRENGTH * temperature * urgency * (ahead / (gap / 2.0))
