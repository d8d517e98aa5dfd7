"""Whether guessed labels make a better challenger: one is trained with them, and kept if it passes the gate against the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.loop.gating import Report
from risk import gate, registry
from risk.artefact import Artefact
from risk.dataset.files import Dataset
from risk.embeddings import CachedEncoder
from risk.fusion import guesses
from risk.fusion.data import Case
from risk.train import publish

Trainer = Callable[[Sequence[Case]], Artefact]  # a challenger that learns from guessed cases as well


@dataclass(frozen=True, slots=True)
class Guessed:
    """What came of it. `verdict`: on the model with guesses, against the one without; None when nothing could be guessed."""

    model: Artefact
    looked_at: int
    guessed: int
    leaving: int
    verdict: gate.Verdict | None

    @property
    def kept(self) -> bool:
        """Whether the model has learnt from guesses."""
        return bool(self.model.data["fusion"]["guessed"])

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "looked_at": self.looked_at,
            "guessed": self.guessed,
            "leaving": self.leaving,
            "kept": self.kept,
            "gate": None if self.verdict is None else self.verdict.as_json(),
        }


def tried(
    plain: Artefact,
    train: Trainer,
    dataset: Dataset,
    folder: Path,
    cached: CachedEncoder,
    judge: Callable[[str, str], gate.Verdict],
    report: Report,
) -> Guessed:
    """The better of two published challengers; the other one is removed.

    `plain` has learnt from labels alone and is in the registry `folder`; `judge(before, version)` is the gate. Guesses stay where
    every check passes and ranking is no worse in the middle either: a model that is merely not known to be worse is no reason.
    """
    open_cases = guesses.eligible(dataset.still_open())
    texts = (message.text for case in open_cases for message in case.conversation.messages)
    lookup = cached.lookup(texts, lambda done, total: report("encode", done, total))
    scorer = registry.load(folder / plain.version, encoder_fingerprint=cached.fingerprint)
    found = guesses.guess(open_cases, scorer, lookup, lambda done, total: report("guess", done, total))
    leaving = sum(case.left == 1.0 for case in found)
    if not found:
        return Guessed(plain, len(open_cases), 0, 0, None)
    taught = train(found)
    publish(taught, folder)
    verdict = judge(plain.version, taught.version)
    ranking = next((check.figure for check in verdict.checks if check.name == "ap"), None)
    kept = verdict.passed and ranking is not None and ranking.value >= 0.0
    registry.remove(folder, plain.version if kept else taught.version)
    return Guessed(taught if kept else plain, len(open_cases), len(found), leaving, verdict)
