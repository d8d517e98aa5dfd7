"""Which documents may be retrieved in a context. Pure, except that it remembers masks of the immutable collection it serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retrieval.documents import Script, SearchContext

# Stages in which the wording presumes why the customer is unhappy: there the reason decides, elsewhere it only helps.
REASONED_STAGES = frozenset({"compensate", "win_back"})


def language(locale: str) -> str:
    """The language of a locale: "en-GB" → "en"."""
    return locale.replace("_", "-").partition("-")[0].lower()


def best_locale(variants: Sequence[str], wanted: str) -> str | None:
    """The variant for a wanted locale: the same, else the same language, else none."""
    if wanted in variants:
        return wanted
    return next((variant for variant in variants if language(variant) == language(wanted)), None)


def script_refusal(script: Script, context: SearchContext) -> str | None:
    """Why a script (already in the right locale) is not eligible, or None when it is."""
    if script.id in context.exclude or script.family in context.exclude:
        return "excluded"
    if context.band not in script.bands:
        return "band"
    if context.stages and script.stage not in context.stages:
        return "stage"
    if (
        script.reasons
        and context.reasons
        and (script.stage in REASONED_STAGES or script.offer is not None)
        and not set(script.reasons) & set(context.reasons)
    ):
        return "reason"
    missing = set(script.slots) - context.known
    if missing:
        return f"slot:{min(missing)}"
    for name, wanted in script.conditions.items():
        if not holds(wanted, context.facts.get(name)):
            return f"condition:{name}"
    return None


def holds(wanted: Any, fact: Any) -> bool:
    """Whether a known fact meets a condition.

    A plain value must be equal (false also holds for an unknown fact), a list must contain the fact, and
    `{"min": a, "max": b, "not": c}` bounds it. An unknown fact meets nothing else.
    """
    if isinstance(wanted, Mapping):
        if fact is None:
            return False
        below = "min" in wanted and not _number(fact) >= wanted["min"]
        above = "max" in wanted and not _number(fact) <= wanted["max"]
        return not below and not above and ("not" not in wanted or fact != wanted["not"])
    if isinstance(wanted, list | tuple):
        return fact in wanted
    if wanted is False:
        return not fact
    return bool(fact == wanted)


def _number(fact: Any) -> float:
    return float(fact) if isinstance(fact, int | float) else float("nan")
