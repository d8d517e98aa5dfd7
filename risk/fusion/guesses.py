"""Labels guessed for conversations whose window is not over (self-training; Yarowsky, 1995), for a model to learn from as well.

Only what the model is sure of is guessed: where the whole interval of its calibrated score lies beyond `SURE`. Treated
conversations and customers by whom the gate judges are left out. A guess weighs half of a label, and never measures anything: a
model that has learnt from guesses is kept only where it passes the gate, on real labels, against the one that has not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from risk.dataset.rows import Case as OpenCase
from risk.dataset.split import held
from risk.fusion.data import Case, Cases
from risk.scorer import ChampionScorer
from risk.types import Vector

SURE: Final = 0.8
WEIGHT: Final = 0.5

Progress = Callable[[int, int], None]


def eligible(still_open: Sequence[OpenCase]) -> list[OpenCase]:
    """The open conversations for which a label may be guessed."""
    return [case for case in still_open if not case.treated and not held(case)]


def guess(
    cases: Sequence[OpenCase], scorer: ChampionScorer, lookup: Mapping[str, Vector], progress: Progress | None = None
) -> list[Case]:
    """Those of the eligible `cases` of which `scorer` is sure, with its guess. `lookup` holds a vector for each text."""
    found = []
    for done, case in enumerate(cases, start=1):
        state, at = scorer.initial(), case.ended_at
        for message in case.conversation.messages:
            state = scorer.advance(state, lookup[message.text], message)
            if message.role == "contact" and message.at_ms is not None:
                at = message.at_ms
        score = scorer.score(state, case.history, at)
        left = 1.0 if score.low >= SURE else 0.0 if score.high <= 1.0 - SURE else None
        if left is not None:
            found.append(Case(case.conversation, case.history, left, weight=case.weight * WEIGHT, guessed=True))
        if progress is not None and (done % 50 == 0 or done == len(cases)):
            progress(done, len(cases))
    return found


def joined(cases: Cases, guessed: Sequence[Case]) -> Cases:
    """Known cases, then guessed ones."""
    return replace(cases, rows=(*cases.rows, *guessed))
