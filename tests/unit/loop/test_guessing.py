"""A challenger with guesses stays only where the gate and the ranking say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assistant.loop import guessing
from assistant.models import own_registry
from assistant.settings import Settings
from retrieval.encoders import load
from risk import artefact, registry
from risk.artefact import Artefact
from risk.dataset import files
from risk.dataset.rows import part
from risk.embeddings import CachedEncoder
from risk.fusion import guesses
from risk.fusion.data import Case
from risk.gate import Check, Verdict
from risk.metrics import Figure
from risk.train import publish

NOW = 1_795_000_000_000


def verdict(ap: float, *, passed: bool) -> Verdict:
    checks = (Check("ap", True, -0.005, Figure(ap, ap - 0.01, ap + 0.01)), Check("brier", passed, 0.002, None))
    return Verdict("plain", "taught", checks)


@pytest.mark.parametrize(("ap", "passed", "kept"), [(0.01, True, True), (-0.001, True, False), (0.01, False, False)])
def test_the_better_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ap: float, passed: bool, kept: bool
) -> None:
    folder = own_registry(Settings(data_dir=tmp_path))
    registry.adopt(folder)
    base = artefact.load(folder / registry.pointer(folder).champion)

    def model(name: str, guessed: int) -> Artefact:
        return replace(base, name=name, data={**base.data, "fusion": {"guessed": guessed}})

    plain = model("plain", 0)
    publish(plain, folder)
    dataset = files.read(files.write(tmp_path / "sets", site="s", as_of=NOW, horizon_days=90, parts=[part([], [])]))
    one: Any = object.__new__(Case)
    object.__setattr__(one, "left", 1.0)
    monkeypatch.setattr(guesses, "guess", lambda *_: [one])
    asked: list[tuple[str, str]] = []

    def train(guessed: Sequence[Case]) -> Artefact:
        return model("taught", len(guessed))

    def judge(before: str, version: str) -> Verdict:
        asked.append((before, version))
        return verdict(ap, passed=passed)

    cached = CachedEncoder(load("use"), tmp_path / "cache")
    found = guessing.tried(plain, train, dataset, folder, cached, judge, lambda _stage, _done, _total: None)
    taught = model("taught", 1)
    assert asked == [(plain.version, taught.version)]
    assert (found.kept, found.guessed, found.leaving) == (kept, 1, 1)
    assert found.model.version == (taught if kept else plain).version
    left = registry.versions(folder)
    assert (taught.version in left, plain.version in left) == (kept, not kept)
    monkeypatch.setattr(guesses, "guess", lambda *_: [])
    publish(plain, folder)
    none = guessing.tried(plain, train, dataset, folder, cached, judge, lambda _stage, _done, _total: None)
    assert (none.model.version, none.verdict, none.kept) == (plain.version, None, False)
    assert len(asked) == 1
