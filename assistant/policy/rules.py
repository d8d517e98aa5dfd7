"""Hard rules: what is decided before anything is weighed, and what is not allowed whatever it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from assistant.policy.types import ActionKind, DecisionContext, Option

LOOP_LIMIT: Final = 3  # bot replies in a row that made nobody happier
CLARIFY_LIMIT: Final = 2
RELEVANT: Final = 0.40  # relevance below which an answer answers something else
CLEAR: Final = 0.50  # relevance from which an answer needs no clarifying question
SAID_ALREADY: Final = "said_already"
NEED_HUMAN: Final = 0.5
UNHAPPY: Final = 0.6

# Rules that may call a person for a holdout customer: ordinary service, blind to the risk score.
SERVICE_RULES: Final = frozenset({"asks_for_human", "safety", "needs_person", "loop_guard", "failed"})
# Kinds that are a treatment whenever they are chosen rather than forced. Others are one when the option says so.
TREATMENTS: Final[frozenset[ActionKind]] = frozenset({"offer", "escalate"})


@dataclass(frozen=True, slots=True)
class Override:
    """A rule that decides by itself, with propensity 1."""

    rule: str
    kind: ActionKind
    reason: str | None = None  # of the escalation


def forced(context: DecisionContext) -> Override | None:
    """The first rule that applies, in order of precedence, or None."""
    if context.resolved:
        return Override("resolved", "none")
    if context.holder != "bot":
        return Override("agent_holds", "none")
    if context.asks_for_human:
        return (
            Override("waiting", "none")
            if context.waiting
            else Override("asks_for_human", "escalate", "asked_for_human")
        )
    if context.safety is not None:
        return Override("waiting", "none") if context.waiting else Override("safety", "escalate", context.safety)
    if context.superseded:
        return Override("superseded", "none")
    if context.needs_person is not None and not context.waiting:
        return Override("needs_person", "escalate", context.needs_person)
    if context.bot_replies_in_a_row >= LOOP_LIMIT and not context.waiting:
        return Override("loop_guard", "escalate", "loop")
    return None


def why_not(option: Option, context: DecisionContext, best_relevance: float) -> str | None:
    """Why an option may not be taken, or None. `best_relevance` is that of the best answer on the table."""
    if option.why_not is not None:
        return option.why_not
    if context.holdout and (option.kind in TREATMENTS or option.treatment):
        return "holdout"
    match option.kind:
        case "none":
            return "only_by_rule"
        case "offer":
            return _why_no_offer(context)
        case "recommend":
            if context.waiting:
                return "waiting"
            if option.relevance < RELEVANT:
                return "irrelevant"
            unhappy = context.dissatisfaction is not None and context.dissatisfaction >= UNHAPPY
            return "unhappy" if unhappy else None
        case "escalate":
            return _why_no_escalation(context)
        case "clarify":
            if context.waiting:
                return "waiting"
            if context.clarifies_in_a_row >= CLARIFY_LIMIT:
                return "loop"
            return "not_needed" if best_relevance >= CLEAR else None
        case "reply":
            if option.relevance < RELEVANT:
                return "irrelevant"
            return "waiting" if context.waiting and option.relevance < CLEAR else None


def _why_no_offer(context: DecisionContext) -> str | None:
    if context.waiting:
        return "waiting"
    if not context.verified:
        return "unverified"
    if context.risk is None:
        return "degraded"
    return "low_risk" if context.band == "low" else None


def _why_no_escalation(context: DecisionContext) -> str | None:
    if context.waiting:
        return "waiting"
    if context.risk is None:
        return "degraded"
    needed = context.need_human is not None and context.need_human >= NEED_HUMAN
    return None if needed or context.band == "high" else "low_risk"
