"""Conversations as rows for a layer: read once by the frozen model, a turn knowing only what is before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from risk.conversation.data import Conversation
from risk.conversation.lexical import grams
from risk.errors import DataRefused
from risk.text import TextState, observe
from risk.tuning.layer import Frozen, Rows
from risk.types import Vector

MOST_TURNS: Final = 200  # of one person: the newest; what they wrote more teaches little more, and bounds memory


def read(
    frozen: Frozen,
    conversations: Sequence[Conversation],
    lookup: Mapping[str, Vector],
    progress: Callable[[int, int], None] | None = None,
) -> Rows:
    """The labelled customer turns. `lookup` holds a vector for each text. Raises `DataRefused` when nothing is labelled."""
    found = []
    who: dict[str, int] = {}
    share = frozen.heads.net_share
    for number, talk in enumerate(conversations):
        text, state = TextState(), frozen.model.initial()
        for message, level in zip(talk.messages, talk.levels, strict=True):
            text, features = observe(text, message)
            vector = lookup[message.text]
            state = frozen.model.advance(state, vector, message, features)
            if level is None:
                continue
            linear = frozen.lexical.by_habit(grams(message.text), features, vector)
            base = share * frozen.model.level_logits(state.hidden) + (1 - share) * linear
            person = who.setdefault(talk.group, len(who))
            found.append((frozen.inputs(state.hidden, features, vector), base, level, person, number))
        if progress is not None:
            progress(number + 1, len(conversations))
    if not found:
        raise DataRefused("no message carries `satisfaction`: there is nothing to learn from")
    inputs, bases, levels, people, talks = zip(*found, strict=True)
    rows = Rows(
        np.stack(inputs), np.stack(bases), np.array(levels), np.array(people), np.array(talks),
        frozen.lexical.prior.astype(np.float64), frozen.heads.temperature,
    )  # fmt: skip
    return _newest(rows)


def _newest(rows: Rows) -> Rows:
    """At most `MOST_TURNS` rows of each person, the last ones of the file."""
    left = np.bincount(rows.person)
    keep = np.zeros(len(rows.person), bool)
    for row, person in enumerate(rows.person):
        keep[row] = left[person] <= MOST_TURNS
        left[person] -= 1
    return rows if keep.all() else rows.where(keep)
