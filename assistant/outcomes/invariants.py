"""What must hold for every row of the decision log. Pure; asked by the writer before a row goes in and by `doctor` afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from assistant.policy.decide import pick, probabilities
from assistant.policy.draws import draw_from
from assistant.policy.fairness import nudge
from assistant.policy.rules import SERVICE_RULES, TREATMENTS

KINDS: Final = frozenset({"reply", "clarify", "recommend", "offer", "escalate", "none"})
# Rules that take the decision themselves; others only take options away.
FORCING_RULES: Final = frozenset({"resolved", "agent_holds", "superseded", "waiting", "unanswered"}) | SERVICE_RULES
SUM_TOLERANCE: Final = 1e-6
REDERIVED: Final = 1e-9


def violations(row: Mapping[str, Any]) -> list[str]:
    """Codes of the invariants that a row of `decision` breaks; empty when it is sound.

    `sum`: the probabilities do not sum to 1 ± 1e-6; `length`: not one probability and value for each eligible action;
    `probability`: one is not in (0, 1]; `propensity`: not the probability of the action; `floor`: below the floor though not
    forced; `action`: not among the eligible; `kind`: unknown, or not the action's; `holdout`: a treatment for a holdout customer;
    `forced`: a rule decided but the propensity is not 1; `rederived`: values, floor, temperature and seed give another result;
    `fairness`: what was added to an offer's worth does not follow from the logged rule and rates.
    """
    eligible, chances, values = list(row["eligible"]), list(row["probabilities"]), list(row["values"])
    if not eligible or not len(eligible) == len(chances) == len(values):
        return ["length"]
    if not all(_is_number(number) for number in (*chances, *values, row["propensity"])):
        return ["probability"]
    found = []
    if any(not 0.0 < chance <= 1.0 for chance in chances):
        found.append("probability")
    if abs(math.fsum(chances) - 1.0) > SUM_TOLERANCE:
        found.append("sum")
    if row["kind"] not in KINDS or row["action"].partition(":")[0] != row["kind"]:
        found.append("kind")
    forced = is_forced(row)
    if row["action"] not in eligible:
        found.append("action")
    elif abs(chances[eligible.index(row["action"])] - row["propensity"]) > REDERIVED:
        found.append("propensity")
    if forced and row["propensity"] != 1.0:
        found.append("forced")
    if not forced and len(eligible) > 1 and any(chance < row["floor"] - REDERIVED for chance in chances):
        found.append("floor")
    if row["holdout"] and _treated(row, forced):
        found.append("holdout")
    if "fairness" in row["versions"] and not _nudged(row):
        found.append("fairness")
    if not found and not forced and not _rederived(row, eligible, chances, values):
        found.append("rederived")
    return found


def is_forced(row: Mapping[str, Any]) -> bool:
    """Whether a rule took the decision by itself."""
    return len(row["eligible"]) == 1 and bool(FORCING_RULES & set(row["overrides"]))


def _treated(row: Mapping[str, Any], forced: bool) -> bool:
    """A holdout customer gets ordinary service: replies, questions, and a person when a service rule says so; no treatment."""
    if row["kind"] in TREATMENTS:
        return not (forced and SERVICE_RULES & set(row["overrides"]))
    chosen = [c for c in row["candidates"] if c.get("action") == row["action"]]
    return any(c.get("treatment") for c in chosen)


def _rederived(row: Mapping[str, Any], eligible: list[str], chances: list[float], values: list[float]) -> bool:
    """Whether probabilities and action follow again from what was logged, to 1e-9."""
    try:
        temperature = float(row["versions"]["temperature"])
        again = probabilities(values, floor=row["floor"], temperature=temperature)
        action = eligible[pick(again, draw_from(row["seed"]))]
    except (KeyError, TypeError, ValueError):
        return False
    return action == row["action"] and all(abs(a - b) <= REDERIVED for a, b in zip(again, chances, strict=True))


def _nudged(row: Mapping[str, Any]) -> bool:
    """Whether the logged nudge follows from the rule and the rates; 0 for the holdout."""
    try:
        within = float(row["versions"]["fairness"].rpartition(" within ")[2])
        gap, ahead, logged = (float(row["features"][f"policy.fairness.{name}"]) for name in ("gap", "ahead", "nudge"))
        again = 0.0 if row["holdout"] else nudge(within, gap, ahead, float(row["versions"]["temperature"]))
    except (KeyError, TypeError, ValueError):
        return False
    return abs(again - logged) <= REDERIVED * max(1.0, abs(again))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
