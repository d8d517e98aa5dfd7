"""`decide(context, draw)`: hard rules first, then the worth of each eligible action, then a draw with a floor. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from assistant.policy import priors, rules
from assistant.policy.types import Decision, DecisionContext, Option

VERSION: Final = f"softmax-3.{priors.table_hash()}"


def version(uplift: str | None) -> str:
    """The policy's version: rules, prices and, when it was learned, the uplift."""
    return VERSION if uplift is None else f"{VERSION}+{uplift}"


NONE: Final = Option("none", "none")
ESCALATE: Final = Option("escalate", "escalate")


def decide(context: DecisionContext, draw: float) -> Decision:
    """One decision. `draw` in [0, 1) picks among the eligible actions by their probabilities.

    value = uplift × customer value − cost, in minor units; probabilities as in `probabilities`. When no option is left, a
    person is called (`loop_guard`), or nothing is said while one is already on the way (`waiting`).
    """
    if not 0.0 <= draw < 1.0:
        raise ValueError("a draw lies in [0, 1)")
    override = rules.forced(context)
    if override is not None:
        return _forced(context, override)

    # What was answered already was understood: asking what was meant would be no better than saying it again.
    best = max((option.relevance for option in context.options if _answers(option, context)), default=0.0)
    eligible: list[Option] = []
    ineligible: list[tuple[str, str]] = []
    for option in context.options:
        why = rules.why_not(option, context, best)
        if why is None:
            eligible.append(option)
        else:
            ineligible.append((option.key, why))
    if not eligible:
        last_resort = (
            rules.Override("waiting", "none") if context.waiting else rules.Override("loop_guard", "escalate", "loop")
        )
        return _forced(context, last_resort, tuple(ineligible))

    fresh = [option for option in eligible if not option.just_sent]
    if fresh:
        ineligible += [(option.key, "just_sent") for option in eligible if option.just_sent]
        eligible = fresh
    eligible, crowded = _best_of(eligible, context)
    ineligible += [(option.key, "crowded") for option in crowded]
    values = tuple(_weight(option, context) for option in eligible)
    chances = probabilities(values, floor=context.floor, temperature=context.temperature)
    index = pick(chances, draw)
    action = eligible[index]
    return Decision(
        action=action,
        eligible=tuple(eligible),
        probabilities=chances,
        values=values,
        propensity=chances[index],
        explored=values[index] < max(values),
        overrides=_limits(context, ineligible),
        ineligible=tuple(ineligible),
        policy_version=version(context.uplift_version),
        escalation_reason=_reason(context) if action.kind == "escalate" else None,
    )


def worth(option: Option, customer_value: int) -> float:
    """uplift × customer value − cost, in minor units."""
    return option.uplift * customer_value - option.cost


def _weight(option: Option, context: DecisionContext) -> float:
    """What an option is drawn by: its worth, moved for offers where the shop wants groups treated alike."""
    value = worth(option, context.customer_value)
    return value + context.offer_nudge if option.kind == "offer" else value


def probabilities(values: Sequence[float], *, floor: float, temperature: float) -> tuple[float, ...]:
    """Softmax of `values` ÷ `temperature`, mixed with the uniform so that each is at least `floor` and they sum to 1.

    p = floor + (1 − n·floor) · softmax. A single option gets 1. Raises ValueError when n·floor > 1 for n > 1 (`decide` keeps
    at most ⌊0.5 ÷ floor⌋ options, so half of the mass is always chosen and not explored), or when an argument is not usable.
    """
    n = len(values)
    if n == 0:
        raise ValueError("nothing to choose from")
    if not (math.isfinite(temperature) and temperature > 0 and floor > 0):
        raise ValueError("temperature and floor are positive")
    if not all(math.isfinite(value) for value in values):
        raise ValueError("a value is not finite")
    if n == 1:
        return (1.0,)
    if n * floor > 1.0:
        raise ValueError(f"{n} options cannot each have a probability of {floor}")
    top = max(values)
    weights = [math.exp((value - top) / temperature) for value in values]
    total = math.fsum(weights)
    return tuple(floor + (1.0 - n * floor) * weight / total for weight in weights)


def pick(chances: Sequence[float], draw: float) -> int:
    """Index of the option whose share of [0, 1) holds `draw`."""
    reached = 0.0
    for index, chance in enumerate(chances):
        reached += chance
        if draw < reached:
            return index
    return len(chances) - 1  # rounding left the sum a hair under 1


def _best_of(eligible: list[Option], context: DecisionContext) -> tuple[list[Option], list[Option]]:
    """At most ⌊0.5 ÷ floor⌋ options, those of greatest worth, in their old order; and the rest."""
    room = max(1, int(0.5 / context.floor))
    if len(eligible) <= room:
        return eligible, []
    ranked = sorted(eligible, key=lambda option: -_weight(option, context))
    kept = {option.key for option in ranked[:room]}
    return [o for o in eligible if o.key in kept], [o for o in eligible if o.key not in kept]


def _forced(
    context: DecisionContext, override: rules.Override, ineligible: tuple[tuple[str, str], ...] = ()
) -> Decision:
    action = NONE if override.kind == "none" else ESCALATE
    action = next((option for option in context.options if option.key == action.key), action)
    return Decision(
        action=action,
        eligible=(action,),
        probabilities=(1.0,),
        values=(worth(action, context.customer_value),),
        propensity=1.0,
        explored=False,
        overrides=(override.rule,),
        ineligible=ineligible or tuple((o.key, override.rule) for o in context.options if o.key != action.key),
        policy_version=version(context.uplift_version),
        forced=True,
        escalation_reason=override.reason,
    )


def _answers(option: Option, context: DecisionContext) -> bool:
    if option.kind == "recommend":
        return rules.why_not(option, context, 0.0) is None
    return option.kind == "reply" and option.why_not in (None, rules.SAID_ALREADY)


def _limits(context: DecisionContext, ineligible: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Rules that took something off the table without deciding by themselves."""
    named = {"holdout", "unverified", "degraded", "waiting"}
    whys = dict.fromkeys(why for _, why in ineligible if why in named or why.startswith(("wallet", "abuse")))
    if context.holdout:
        whys.setdefault("holdout")
    return tuple(sorted(whys))


def _reason(context: DecisionContext) -> str:
    needed = context.need_human is not None and context.need_human >= rules.NEED_HUMAN
    return "high_risk" if context.band == "high" or not needed else "need_human"
