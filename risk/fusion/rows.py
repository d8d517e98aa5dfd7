"""Cases as arrays: what was known at the end of each conversation, and once at an earlier turn, as serving would see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.fusion.data import Case
from risk.fusion.inputs import CHAT, STATE, Projection, Summary, row
from risk.history.features import FEATURES, features
from risk.history.model import NEEDED
from risk.scorer import ChampionScorer
from risk.text import observe
from risk.types import Vector

AXES: Final = 96  # of the vectors' basis, at most
SAMPLE: Final = 20_000  # texts that the basis is made from, at most
EARLY_WEIGHT: Final = 0.5  # of the earlier turn, beside the end of the conversation

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rows:
    """`history` [n, len(FEATURES)] and `wide` [n, 3 k + len(CHAT)]; one customer's rows share a number in `customer` [n]."""

    history: Floats  # NaN throughout where no purchase is known
    wide: Floats
    y: Floats
    weight: Floats
    customer: NDArray[np.int64]
    at: NDArray[np.int64]  # UTC milliseconds
    final: NDArray[np.bool_]  # the end of the conversation
    probability: Floats  # the truth, NaN where nobody knows it
    guessed: NDArray[np.bool_]  # y is a model's guess

    @property
    def chat(self) -> Floats:
        """Chat rows [n, len(CHAT)]."""
        return self.wide[:, -len(CHAT) :]

    def where(self, keep: NDArray[Any]) -> Rows:
        """The rows that a mask or an index keeps."""
        return Rows(*(getattr(self, field.name)[keep] for field in fields(self)))

    def folds(self, count: int, seed: int) -> NDArray[np.int64]:
        """A fold for each row, whole customers in one."""
        names = np.unique(self.customer)
        fold = np.random.default_rng(seed).permutation(len(names)) % count
        return np.asarray(fold[np.searchsorted(names, self.customer)])


def collect(
    cases: Sequence[Case],
    scorer: ChampionScorer,
    lookup: Mapping[str, Vector],
    seed: int,
    progress: Progress | None = None,
) -> tuple[Rows, Projection]:
    """Replays every conversation through the scorer and compresses what it leaves; the axes are those of these conversations."""
    random = np.random.default_rng(seed)
    number = {name: i for i, name in enumerate(sorted({case.customer for case in cases}))}
    projection = _of_vectors(cases, lookup, random)
    past, compressed, hidden, seen, rest = [], [], [], [], []
    for done, case in enumerate(cases, start=1):
        messages = case.conversation.messages
        said = [i for i, m in enumerate(messages) if m.role == "contact"]
        taken = {said[-1]} | ({said[int(random.integers(len(said) - 1))]} if len(said) > 1 else set())
        state, summary = scorer.initial(), Summary.empty(len(projection.basis))
        for i, message in enumerate(messages[: said[-1] + 1]):
            turn = observe(state.text, message)[1]
            state = scorer.advance(state, lookup[message.text], message)
            vector = projection.vector(lookup[message.text])
            if message.role != "contact":
                summary = summary.replied(vector)
                continue
            summary = summary.said(vector, state.reading.dissatisfaction)
            if i not in taken:
                continue
            at = message.at_ms if message.at_ms is not None else case.ended_at
            past.append(known_past(features(case.history, at)))
            compressed.append(summary.vectors())
            hidden.append(state.conversation.hidden.reshape(-1))
            seen.append(row(state, turn, np.zeros(STATE, np.float32), summary.peak))
            end = i == said[-1]
            truth = np.nan if case.probability is None else case.probability
            share = case.weight * (1.0 if end else EARLY_WEIGHT)
            rest.append((case.left, share, number[case.customer], at, end, truth, case.guessed))
        if progress is not None and (done % 50 == 0 or done == len(cases)):
            progress(done, len(cases))
    y, weight, customer, at_all, final, truths, guessed = (np.array(column) for column in zip(*rest, strict=True))
    origin, axes = _principal(np.stack(hidden), STATE)
    projection = replace(projection, axes=axes, origin=origin)
    chat = np.stack(seen)
    chat[:, -STATE:] = projection.hidden(np.stack(hidden))
    wide = np.concatenate([np.stack(compressed).astype(np.float64), chat], axis=1)
    rows = Rows(
        np.stack(past),
        wide,
        y.astype(float),
        weight.astype(float),
        customer,
        at_all,
        final.astype(bool),
        truths,
        guessed.astype(bool),
    )
    return rows, projection


def known_past(values: Floats) -> Floats:
    """History features, or nothing at all where no purchase is known: such a customer is as unknown as a visitor."""
    return np.full(len(FEATURES), np.nan) if np.isnan(values[FEATURES.index(NEEDED)]) else values


def _of_vectors(cases: Sequence[Case], lookup: Mapping[str, Vector], random: np.random.Generator) -> Projection:
    """The axes of what was said, from a sample of the texts; those of the hidden states are not known yet."""
    texts = sorted({m.text for case in cases for m in case.conversation.messages})
    chosen = sorted(random.permutation(len(texts))[:SAMPLE].tolist())
    centre, basis = _principal(np.stack([lookup[texts[i]] for i in chosen]), AXES)
    return Projection(basis, centre, np.zeros((STATE, 0), np.float32), np.zeros(0, np.float32))


def _principal(rows: Vector, count: int) -> tuple[Vector, Vector]:
    """Centre [d] and the first `count` principal axes [count, d] (zeros where there are fewer), signs fixed."""
    centre = rows.mean(axis=0)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(rows.T, dtype=np.float64)))
    best = vectors[:, np.argsort(-values, kind="stable")[:count]].T
    best = best * np.where(best[np.arange(len(best)), np.abs(best).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    axes = np.zeros((count, rows.shape[1]))
    axes[: len(best)] = best
    return centre.astype(np.float32), axes.astype(np.float32)
