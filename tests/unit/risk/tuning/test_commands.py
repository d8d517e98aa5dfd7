"""Private and federated training as a user runs them: files in, an ordinary artefact out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.cli import app
from risk import artefact as artefacts
from risk.registry import load_champion
from risk.tuning import private
from risk.tuning.private import Knobs


@pytest.fixture
def run(registry_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(private, "Knobs", lambda: Knobs(steps=5, batch=1000))

    def call(*words: str, model: str = "--base") -> Any:
        words = (*words, model, str(registry_folder), "--cache", str(tmp_path / "cache"), "--json")
        return CliRunner().invoke(app, list(words))

    return call


def test_a_private_training_writes_a_model_that_serves(run: Any, make: Any, tmp_path: Path) -> None:
    out = tmp_path / "models"
    found = run(
        "train", "private", "--data", str(make("mine", 110, 4)), "--out", str(out), "--epsilon", "4", "--promote"
    )
    assert found.exit_code == 0, found.output
    said = json.loads(found.stdout)
    assert 3.5 < said["epsilon"] <= 4
    assert (said["delta"], said["people"]) == (1e-5, 110)
    assert load_champion(out).version == said["version"]
    assert "ε = " in (out / said["version"] / artefacts.CARD).read_text(encoding="utf-8")


def test_a_federated_training_names_its_shops_and_repeats(run: Any, make: Any, tmp_path: Path) -> None:
    files = [str(make(name, 30, n)) for n, name in enumerate(("one", "two"))]
    words = (
        "train",
        "federated",
        "--data",
        files[0],
        "--data",
        files[1],
        "--rounds",
        "2",
        "--out",
        str(tmp_path / "m"),
    )
    first, again = run(*words), run(*words)
    assert first.exit_code == 0, first.output
    said = json.loads(first.stdout)
    assert [shop["people"] for shop in said["shops"]] == [30, 30]
    assert json.loads(again.stdout)["version"] == said["version"]
    assert load_champion(tmp_path / "m" / said["version"]).version == said["version"]


def test_the_measurement_shows_every_way_beside_the_base(run: Any, make: Any) -> None:
    files = [str(make(name, 70, n)) for n, name in enumerate(("three", "four"))]
    found = run(
        "evaluate", "tuning", "--data", files[0], "--data", files[1], "--epsilon", "8", "--rounds", "2", model="--model"
    )
    assert found.exit_code == 0, found.output
    said = json.loads(found.stdout)
    assert {"n", "people", "base", "central", "private_8", "federated", "alone"} == set(said)
    assert said["people"] == 140
    assert said["base"]["auc_over_base"]["value"] == 0
    assert said["central"]["dissatisfied_auc"]["value"] > said["base"]["dissatisfied_auc"]["value"] - 0.05
    assert 7 < said["private_8"]["epsilon"] <= 8


def test_what_cannot_be_done_is_said_in_one_line(run: Any, make: Any, tmp_path: Path, monkeypatch: Any) -> None:
    few = run("train", "private", "--data", str(make("few", 12, 4)), "--out", str(tmp_path / "m"))
    assert few.exit_code == 2
    assert "too few to hide among" in few.stderr
    monkeypatch.setitem(sys.modules, "flwr", None)
    words = ("--data", str(make("five", 30, 4)), "--out", str(tmp_path / "m"), "--flower")
    without = run("train", "federated", *words)
    assert without.exit_code == 2
    assert "staywell[federated]" in without.stderr
    assert not (tmp_path / "m").exists()
