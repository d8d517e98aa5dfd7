"""Who is served next, and by whom. Pure: tasks and agents in, pairs out.

Order: every task ages alike, and value at stake is worth a head start of at most `VALUE_HEAD_START_MS`. A task is therefore
overtaken only by tasks that came at most that much later (plus `PRIORITY_HEAD_START_MS` for a point of priority): nobody starves,
and equals are served first come, first served. The order of two tasks never changes while they wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

VALUE_HEAD_START_MS: Final = 10 * 60_000
VALUE_HALF: Final = 50_000  # minor units at stake that are worth half the head start
PRIORITY_HEAD_START_MS: Final = 60 * 60_000
DECLINE_HOLDS_MS: Final = 5 * 60_000  # then an agent who passed may be asked again, so that nobody is forgotten


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued task. `declined` holds (agent id, when); times in UTC ms; `value_at_stake` in minor units."""

    id: str
    queued_at: int
    value_at_stake: int = 0
    priority: float = 0.0
    language: str = "en"
    skills: frozenset[str] = frozenset()
    declined: tuple[tuple[str, int], ...] = ()
    wanted_agent: str | None = None
    wanted_until: int | None = None


@dataclass(frozen=True, slots=True)
class Colleague:
    """An agent as routing sees one. `load` counts assigned and wrap-up tasks, `offers` what is being thought about.

    No languages: takes any. `idle_since`: when the last task was assigned, UTC ms.
    """

    id: str
    presence: Literal["available", "away", "offline"]
    lease_until: int
    capacity: int
    load: int = 0
    offers: int = 0
    languages: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()
    idle_since: int = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Offer `task` to `agent`."""

    task: str
    agent: str


def order_key(task: Waiting) -> tuple[float, int, str]:
    """Sorts the queue, first served first: the time of queueing less the head start."""
    value = max(0, task.value_at_stake)
    head_start = VALUE_HEAD_START_MS * value / (value + VALUE_HALF) + PRIORITY_HEAD_START_MS * task.priority
    return task.queued_at - head_start, task.queued_at, task.id


def in_order(tasks: Sequence[Waiting]) -> list[Waiting]:
    """The queue, first served first."""
    return sorted(tasks, key=order_key)


def is_free(colleague: Colleague, now: int) -> bool:
    """Here, with room, and not thinking about another offer."""
    return (
        colleague.presence == "available"
        and colleague.lease_until > now
        and colleague.offers == 0
        and colleague.load < colleague.capacity
    )


def speaks(colleague: Colleague, language: str) -> bool:
    """Whether the agent takes conversations in `language` ('zh-CN' counts as 'zh')."""
    return not colleague.languages or base_language(language) in {base_language(tag) for tag in colleague.languages}


def base_language(tag: str) -> str:
    """'zh' of 'zh-CN'."""
    return tag.replace("_", "-").split("-")[0].lower()


def suits(task: Waiting, colleague: Colleague, now: int, *, spoken: frozenset[str]) -> bool:
    """Whether the agent may be asked: languages, skills, not asked lately. `spoken`: languages that somebody of the shop speaks;
    one that nobody speaks is no criterion, for then anybody is better than nobody."""
    if task.wanted_agent not in (None, colleague.id) and now < (task.wanted_until or 0):
        return False
    language = base_language(task.language)
    if language in spoken and not speaks(colleague, language):
        return False
    if not task.skills <= colleague.skills:
        return False
    return not any(agent == colleague.id and now < at + DECLINE_HOLDS_MS for agent, at in task.declined)


def route(tasks: Sequence[Waiting], colleagues: Sequence[Colleague], now: int, spoken: frozenset[str]) -> list[Pair]:
    """Offers to make now: tasks in order, each to the least loaded suitable agent, then to the one idle longest.

    An agent gets one offer at a time.
    """
    free = [colleague for colleague in colleagues if is_free(colleague, now)]
    pairs: list[Pair] = []
    for task in in_order(tasks):
        suitable = [colleague for colleague in free if suits(task, colleague, now, spoken=spoken)]
        if not suitable:
            continue
        chosen = min(suitable, key=lambda c: (c.load / c.capacity, c.load, c.idle_since, c.id))
        pairs.append(Pair(task.id, chosen.id))
        free.remove(chosen)
        if not free:
            break
    return pairs
