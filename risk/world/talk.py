"""One conversation: what is behind it, and how it reads.

What is behind it (reason, intensity, whether it was resolved, whether the customer speaks of leaving) goes into the true churn
probability. The lines only show it, more or less plainly: a furious customer may sound annoyed, a resolved one may say no more than
"ok", and one who leaves need not say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from risk.types import Message, Role
from risk.world import chinese, english
from risk.world.words import Part, Speech

Reason = Literal["delivery", "quality", "price", "fit", "service", "account", "question"]
Leaving = Literal["none", "hint", "announce"]
REASONS: Final[tuple[Reason, ...]] = ("delivery", "quality", "price", "fit", "service", "account", "question")
MOODS: Final = ("calm", "annoyed", "furious")
SECOND: Final = 1_000


@dataclass(frozen=True, slots=True)
class Matter:
    """What is behind a conversation. `intensity` 0 calm, 1 annoyed, 2 furious."""

    reason: Reason
    intensity: int
    resolved: bool
    leaving: Leaving
    escalated: bool


def speeches(part: Part) -> dict[str, Speech]:
    """Both languages, from the templates of one part."""
    return {
        "en": Speech(english.LINES, english.PRODUCTS, part),
        "zh": Speech(chinese.LINES, chinese.PRODUCTS, part),
    }


def draw_matter(random: np.random.Generator, *, late: bool, returned: bool, coupons: float) -> Matter:
    """What moves a customer to write: what went wrong with the last order shows in it, but not only that."""
    weights = np.array(
        [1.0 + 3.0 * late, 1.0 + 1.5 * returned, 0.6 + 2.0 * coupons, 0.8 + 2.0 * returned, 0.8, 0.7, 1.6]
    )
    reason = REASONS[int(random.choice(len(REASONS), p=weights / weights.sum()))]
    mild = reason in ("account", "question")
    intensity = int(random.choice(3, p=(0.75, 0.2, 0.05) if mild else (0.4, 0.37, 0.23)))
    resolved = bool(random.random() < (0.75 if mild else 0.52))
    talk = 0.02 + 0.07 * intensity + (0.0 if resolved else 0.10)
    kind = random.random()
    leaving: Leaving = "announce" if kind < talk / 2 else "hint" if kind < 1.5 * talk else "none"
    return Matter(reason, intensity, resolved, leaving, bool(random.random() < 0.15 + 0.15 * intensity))


def converse(matter: Matter, speech: Speech, start: int, random: np.random.Generator) -> tuple[Message, ...]:
    """The messages, from `start` (UTC milliseconds) on. Another draw of the same matter reads otherwise."""
    slots = speech.slots(random)
    plan: list[tuple[Role, str]] = []
    helper: Role = "bot"

    def mood() -> str:  # one in six comes out milder or sharper than it is
        shown = matter.intensity
        if random.random() < 1 / 6:
            shown += 1 if shown == 0 or (shown == 1 and random.random() < 0.5) else -1
        return MOODS[shown]

    if random.random() < 0.5:
        plan += [("contact", "greet")]
    plan += [("contact", matter.reason), (helper, "ask")]
    if random.random() < 0.2:
        plan += [("contact", "aside")]
    plan += [("contact", "detail")]
    if matter.intensity or random.random() < 0.5:
        plan += [("contact", mood())]
    plan += [(helper, "stall")]
    if matter.leaving == "hint" and random.random() < 0.85:
        plan += [("contact", "hint")]
    if matter.escalated:
        helper = "agent"
        plan += [(helper, "stall")]
    for _ in range(int(random.integers(0, 2 + matter.intensity))):
        plan += [("contact", mood()), (helper, "stall")]
    plan += [(helper, "solved" if matter.resolved else "unsolved")]
    plan += [("contact", _closing(matter, random))]
    if matter.leaving == "announce" and random.random() < 0.85:
        plan += [("contact", "announce")]
    messages: list[Message] = []
    at = start
    for role, kind in plan:
        messages.append(Message(role, speech.say(kind, slots, random, typed=role == "contact"), at))
        at += int(random.integers(8, 90)) * SECOND
    return tuple(messages)


def _closing(matter: Matter, random: np.random.Generator) -> str:
    """The kind of the last words; one in six says no more than "ok", however it ended."""
    if random.random() < 1 / 6:
        return "accepts"
    if matter.resolved:
        return "glad" if random.random() < 0.7 - 0.15 * matter.intensity else "accepts"
    return "protests" if random.random() < (0.1, 0.4, 0.75)[matter.intensity] else "resigned"
