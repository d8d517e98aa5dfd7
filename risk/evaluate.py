"""Measuring a model on files that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from risk.calibration import logit
from risk.conversation.data import Conversation
from risk.conversation.floors import Floors
from risk.conversation.readings import Readings, measure, targets
from risk.early_warning import table, thresholds_out_of_fold
from risk.errors import DataRefused
from risk.scorer import ChampionScorer
from risk.text import observe
from risk.types import Vector


def replay(
    scorer: ChampionScorer, floors: Floors, conversations: Sequence[Conversation], lookup: Mapping[str, Vector]
) -> dict[str, Readings]:
    """Readings by the model and by both floors, step by step as they are served: a turn knows only what is before it.

    Where no turn is labelled, the labels of whole conversations are read at their ends. Raises `DataRefused` without either.
    """
    alone = not any(level is not None for c in conversations for level in c.levels)
    rows: dict[str, list[tuple[Any, ...]]] = {"model": [], "tfidf": [], "surface": []}
    for number, conversation in enumerate(conversations):
        state = scorer.initial()
        wanted = targets(conversation, alone=alone)
        for i, message in enumerate(conversation.messages):
            features = observe(state.text, message)[1]
            state = scorer.advance(state, lookup[message.text], message)
            if max(wanted[i]) < 0:
                continue
            r = state.reading
            rows["model"].append((r.levels, r.dissatisfaction, r.ahead, r.whole, *wanted[i], number))
            for name, levels in floors.levels(message.text, features).items():
                rows[name].append((levels, levels[0], levels[0], floors.closing, *wanted[i], number))
    if not rows["model"]:
        raise DataRefused(
            "neither a customer's message nor a conversation carries `satisfaction`: nothing to measure against"
        )
    return {name: _readings(found) for name, found in rows.items()}


def _readings(rows: Sequence[tuple[Any, ...]]) -> Readings:
    levels, bad, ahead, whole, level, coming, closing, group = (np.array(column) for column in zip(*rows, strict=True))
    return Readings.of_logits(levels, logit(bad), logit(ahead), whole, level, coming, closing, group)


def conversation_figures(
    readings: Mapping[str, Readings], alarms: Mapping[str, float], *, turns_only: bool = False, seed: int = 0
) -> dict[str, Any]:
    """`{n, accuracy, …, early_warning, baselines}`: the model beside its floors, each figure with a 95 % interval."""
    chosen = {name: r.turns_only() if turns_only else r for name, r in readings.items()}
    if not len(chosen["model"].truth):
        raise DataRefused("no message carries `satisfaction`: without --turns-only the conversations' own are measured")
    figures = measure(chosen["model"], seed=seed)
    figures["early_warning"] = table(chosen["model"], alarms, seed)
    floors = {name: measure(r, seed=seed) for name, r in chosen.items() if name != "model"}
    figures["baselines"] = {name: {k: v for k, v in f.items() if k != "n"} for name, f in floors.items()}
    return figures


def out_of_fold_figures(readings: Readings, *, turns_only: bool = False, seed: int = 0) -> dict[str, Any]:
    """Figures of readings out of fold; alarm thresholds come from the conversations of the other folds."""
    chosen = readings.turns_only() if turns_only else readings
    figures = measure(chosen, seed=seed)
    figures["early_warning"] = table(chosen, thresholds_out_of_fold(chosen, 5, seed), seed)
    return figures
