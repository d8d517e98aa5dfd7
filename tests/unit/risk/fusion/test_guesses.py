"""Guessed labels: made where the whole interval is sure, of nobody who judges, and never measured by."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from risk import train as training
from risk.artefact import Artefact
from risk.conversation.data import Conversation
from risk.dataset.rows import Case
from risk.dataset.split import held
from risk.embeddings import CachedEncoder
from risk.fusion import guesses
from risk.fusion import train as fusion_train
from risk.fusion.data import Cases
from risk.types import History, Message

NOW = 1_795_000_000_000


def still_open(customer: str, text: str, *, treated: bool = False) -> Case:
    said = (Message("contact", text, NOW), Message("bot", "We look.", NOW + 1))
    talk = Conversation(f"conv-{customer}", "en", said, (None, None), customer=customer)
    return Case(talk, (1, 2), History(), math.nan, treated, 2.0, False)


class Told:
    """A scorer whose interval is what the contact says."""

    def initial(self) -> tuple[float, float]:
        return (0.0, 1.0)

    def advance(self, state: tuple[float, float], vector: Any, message: Message) -> tuple[float, float]:
        if message.role != "contact":
            return state
        low, high = message.text.split()
        return (float(low), float(high))

    def score(self, state: tuple[float, float], history: History, at: int) -> SimpleNamespace:
        assert at == NOW  # the contact's last word, not the bot's
        return SimpleNamespace(low=state[0], high=state[1])


def test_only_what_is_sure_is_guessed() -> None:
    cases = [
        still_open("a", "0.85 0.95"),
        still_open("b", "0.75 0.95"),
        still_open("c", "0.02 0.1"),
        still_open("d", "0.1 0.9"),
    ]
    seen: list[tuple[int, int]] = []
    found = guesses.guess(cases, Told(), {}.fromkeys(["0.85 0.95"]) | dict.fromkeys(  # type: ignore[arg-type]
        [m.text for case in cases for m in case.conversation.messages], np.zeros(1, np.float32)
    ), lambda done, total: seen.append((done, total)))  # fmt: skip
    assert [(one.customer, one.left, one.weight, one.guessed) for one in found] == [
        ("a", 1.0, 2.0 * guesses.WEIGHT, True),
        ("c", 0.0, 2.0 * guesses.WEIGHT, True),
    ]
    assert seen == [(4, 4)]


def test_neither_the_treated_nor_those_who_judge_are_guessed() -> None:
    cases = [still_open(str(n), "0.9 0.95", treated=n % 2 == 0) for n in range(40)]
    kept = guesses.eligible(cases)
    assert 0 < len(kept) < 20
    assert not any(case.treated or held(case) for case in kept)


def test_guesses_teach_and_measure_nothing(
    artefact: Artefact, encoder: CachedEncoder, learnt: Cases, fused: Artefact
) -> None:
    wrong = [replace(case, left=1.0 - case.left, guessed=True) for case in learnt.rows[-60:]]
    taught = fusion_train.train(
        "taught", artefact, encoder, guesses.joined(learnt, wrong), [], horizon_days=90, seed=5, report=training.silent
    )
    assert taught.data["fusion"]["guessed"] == 60
    assert fused.data["fusion"]["guessed"] == 0
    assert taught.data["fusion"]["conversations"] == fused.data["fusion"]["conversations"] == len(learnt.rows)
    assert taught.metrics["fusion"]["n"] == fused.metrics["fusion"]["n"]  # the same rows are measured
    assert taught.fusion != fused.fusion  # and the learner is another
    assert "60 more, whose days were not over" in taught.card
    assert "more, whose days" not in fused.card
