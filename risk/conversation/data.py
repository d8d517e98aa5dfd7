"""Conversations as they come from files, checked row by row, and their labels."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from risk.errors import DataRefused
from risk.types import Message, Role

DISSATISFIED, NEUTRAL, SATISFIED = 0, 1, 2
CLONE_CHARS, CLONE_SHARED = 8, 3
CLONE_HOLDERS = 50  # what more conversations hold is a way of speaking
OVERALL = "OVERALL"  # USS closes a conversation with a row of this text: a rating of the whole, not something said

_ROLES: dict[str, Role] = {
    "customer": "contact",
    "contact": "contact",
    "user": "contact",
    "bot": "bot",
    "agent": "agent",
    "system": "agent",
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation. `levels[i]` is the satisfaction of message i (0, 1, 2) or None where nobody labelled it."""

    id: str
    language: str
    messages: tuple[Message, ...]
    levels: tuple[int | None, ...]
    mean: float | None = None  # annotators' mean satisfaction with the whole, −2..2
    level: int | None = None  # satisfaction with the whole, 0..2
    customer: str | None = None

    @property
    def group(self) -> str:
        """What must stay on one side of a split: translations of one original share the last part of their id."""
        return self.customer or (self.id.rsplit("-", 1)[-1] if self.id.startswith("stc3-") else self.id)


def _level(value: Any, line: int, where: str) -> int | None:
    if value is None:
        return None
    if value not in (0, 1, 2) or isinstance(value, bool):
        raise DataRefused(f"{where} must be 0, 1 or 2, not {value!r}", line=line)
    return int(value)


def _conversation(raw: Any, line: int) -> Conversation:
    if not isinstance(raw, dict) or not isinstance(raw.get("messages"), list):
        raise DataRefused("a conversation is an object with a list `messages`", line=line)
    messages: list[Message] = []
    levels: list[int | None] = []
    whole = _level(raw.get("satisfaction"), line, "`satisfaction` of the conversation")
    for item in raw["messages"]:
        if not isinstance(item, dict) or not isinstance(item.get("text"), str):
            raise DataRefused("a message is an object with a string `text`", line=line)
        role = _ROLES.get(str(item.get("role")))
        if role is None:
            raise DataRefused(f"unknown role {item.get('role')!r}; use customer, agent or bot", line=line)
        level = _level(item.get("satisfaction"), line, "`satisfaction` of a message")
        if item["text"].strip() == OVERALL and role == "contact":
            whole = whole if level is None else level
            continue
        at = item.get("at_ms")
        messages.append(Message(role=role, text=item["text"], at_ms=at if isinstance(at, int) else None))
        levels.append(level if role == "contact" else None)
    mean = raw.get("satisfaction_mean")
    if mean is not None and not (isinstance(mean, int | float) and -2 <= mean <= 2):
        raise DataRefused("`satisfaction_mean` must lie in −2..2", line=line)
    customer = raw.get("customer_id")
    return Conversation(
        id=str(raw.get("id", f"line-{line}")),
        language=str(raw.get("language", "")),
        messages=tuple(messages),
        levels=tuple(levels),
        mean=None if mean is None else float(mean),
        level=whole,
        customer=None if customer is None else str(customer),
    )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig") as file
        ):
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield line, text
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as broken:
        raise DataRefused(f"cannot read {path.name}: {broken}") from broken


def read(paths: Iterable[Path]) -> list[Conversation]:
    """All conversations of JSONL files, gzipped or not. Raises `DataRefused` with the line of the first bad row."""
    found: list[Conversation] = []
    for path in paths:
        for line, text in _lines(path):
            try:
                raw = json.loads(text)
            except (json.JSONDecodeError, RecursionError) as broken:
                raise DataRefused(f"{path.name} is not JSONL: {broken}", line=line) from broken
            found.append(_conversation(raw, line))
    if not found:
        raise DataRefused("no conversation in the given files")
    return found


def _copies(conversations: Sequence[Conversation]) -> list[tuple[int, int]]:
    """Pairs of conversations that are near copies: they share three longer contact messages that few others have."""
    seen: dict[str, list[int]] = {}
    for number, conversation in enumerate(conversations):
        for text in {m.text for m in conversation.messages if m.role == "contact" and len(m.text) >= CLONE_CHARS}:
            seen.setdefault(text, []).append(number)
    shared = Counter(
        pair for members in seen.values() if len(members) <= CLONE_HOLDERS for pair in combinations(members, 2)
    )
    return sorted(pair for pair, count in shared.items() if count >= CLONE_SHARED)


def folds(conversations: Sequence[Conversation], count: int, seed: int) -> list[int]:
    """A fold for each conversation, seeded; whole groups, and all groups that near copies tie together, in one fold."""
    tied = {conversation.group: conversation.group for conversation in conversations}

    def first(group: str) -> str:
        while tied[group] != group:
            group = tied[group]
        return group

    for one, other in _copies(conversations):
        tied[first(conversations[other].group)] = first(conversations[one].group)
    group_of = [first(conversation.group) for conversation in conversations]
    groups = sorted(set(group_of))
    order = np.random.default_rng(seed).permutation(len(groups))
    fold_of = {groups[g]: int(rank % count) for rank, g in enumerate(order)}
    return [fold_of[g] for g in group_of]


def upcoming(levels: Sequence[int | None], ahead: int = 3) -> list[bool | None]:
    """For each labelled turn: is one of the next `ahead` labelled turns dissatisfied? None where there is none after it."""
    labelled = [i for i, level in enumerate(levels) if level is not None]
    answer: list[bool | None] = [None] * len(levels)
    for place, i in enumerate(labelled):
        following = labelled[place + 1 : place + 1 + ahead]
        if following:
            answer[i] = any(levels[j] == DISSATISFIED for j in following)
    return answer
