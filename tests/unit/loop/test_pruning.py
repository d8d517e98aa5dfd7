"""What a registry keeps, and how it learns of the model that a newer version of the product ships."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.cli import app
from assistant.loop import gating
from assistant.models import own_registry
from assistant.settings import Settings
from assistant.storage.migrate import upgrade
from risk import artefact, registry
from risk.errors import ArtefactRefused
from tests.tools.another_model import another


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = own_registry(Settings(data_dir=tmp_path))
    registry.adopt(own)
    return own


def judged(folder: Path, number: int, *, passed: bool = False) -> str:
    """Another model with a verdict on file, the later numbers judged later."""
    name = another(folder, tag=number)
    path = gating.verdict_path(folder, name)
    champion = registry.pointer(folder).champion
    path.write_text(json.dumps({"passed": passed, "champion": champion, "challenger": name, "checks": []}))
    os.utime(path, ns=(number * 10**9, number * 10**9))
    return name


def test_the_newest_that_never_served_stay_and_whoever_served(folder: Path) -> None:
    shipped = registry.pointer(folder).champion
    names = [judged(folder, number, passed=number % 2 == 0) for number in range(1, 8)]
    untested = another(folder, tag=99)
    for name in names[:3]:  # one after another serves: the first is retired, the second before, the third champion
        registry.promote(folder, name, reason="better")
    canary = judged(folder, 0)
    registry.challenge(folder, canary, share=0.05)  # it decided for some, and decisions name it
    registry.challenge(folder, names[3])
    moves = registry.journal(folder)
    assert gating.prune(folder, keep=2) == [names[4]]
    assert set(registry.versions(folder)) == {shipped, untested, canary, *names[:4], *names[5:]}
    assert not registry.bands_path(folder / names[4]).exists()
    assert gating.verdict_of(folder, names[4]) is None
    assert registry.journal(folder) == moves
    assert gating.prune(folder, keep=2) == []
    assert gating.prune(folder, keep=0) == names[5:]
    assert registry.pointer(folder).challenger == names[3]


def test_who_serves_cannot_be_removed(folder: Path) -> None:
    first = registry.pointer(folder).champion
    other, third = judged(folder, 1), judged(folder, 2)
    registry.promote(folder, other)
    registry.challenge(folder, third)
    for name in (first, other, third):
        with pytest.raises(ArtefactRefused, match="serves, challenges"):
            registry.remove(folder, name)
    with pytest.raises(ArtefactRefused, match="no model"):
        registry.remove(folder, "never-was")


def without_shipped(folder: Path) -> str:
    """As after an upgrade: the registry holds a champion of its own, and not the model that ships now."""
    own = judged(folder, 1)
    registry.promote(folder, own)
    registry.promote(folder, judged(folder, 2))  # so that the shipped one is not where a roll-back leads
    shutil.rmtree(folder / registry.shipped())
    return registry.pointer(folder).champion


def run(tmp_path: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments, "--data-dir", str(tmp_path)])


def test_a_newer_shipped_model_is_announced_and_taken_as_a_challenger(folder: Path, tmp_path: Path) -> None:
    upgrade(Settings(data_dir=tmp_path).url)
    told = json.loads(run(tmp_path, "models", "list", "--json").stdout)["shipped"]
    assert told == {"version": registry.shipped(), "here": True}
    assert "ships" not in run(tmp_path, "models", "list").stdout
    champion = without_shipped(folder)
    assert json.loads(run(tmp_path, "models", "list", "--json").stdout)["shipped"]["here"] is False
    assert "staywell models take" in run(tmp_path, "models", "list").stdout
    found = json.loads(run(tmp_path, "doctor", "--json").stdout)["findings"]
    assert any(f["state"] == "degraded" and "staywell models take" in f["detail"] for f in found)
    taken = run(tmp_path, "models", "take")
    assert taken.exit_code == 0
    assert f"staywell models gate {registry.shipped()}" in taken.stdout
    artefact.load(folder / registry.shipped())
    assert registry.pointer(folder).champion == champion  # it serves nobody by that
    assert json.loads(run(tmp_path, "models", "take", "--json").stdout) == {
        "version": registry.shipped(),
        "taken": False,
    }
    found = json.loads(run(tmp_path, "doctor", "--json").stdout)["findings"]
    assert not any("models take" in f["detail"] for f in found)


def test_the_command_prunes_and_says_what_went(folder: Path, tmp_path: Path) -> None:
    names = [judged(folder, number) for number in (1, 2, 3)]
    first = run(tmp_path, "models", "prune", "--keep", "1", "--json")
    assert json.loads(first.stdout) == {"removed": names[:2]}
    assert "removed: none" in run(tmp_path, "models", "prune").stdout
    assert run(tmp_path, "models", "prune", "--keep", "-1").exit_code == 2
