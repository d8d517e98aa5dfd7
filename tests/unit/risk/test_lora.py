"""An encoder's last layers adapted to conversations, with a tiny transformer whose weights are drawn at random."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from retrieval import encoders
from retrieval.errors import EncoderMissing
from risk import train as training
from risk.commands import train_app
from risk.conversation import data as conversation_data
from risk.conversation import lora
from risk.conversation import train as conversation_train
from risk.conversation.lora import Adaptation
from risk.errors import DataRefused
from risk.evaluate_commands import evaluate_app
from tests.tools.tiny_model import write_model

runner = CliRunner()
QUICK = Adaptation(layers=1, epochs=4, rate=3e-3, batch=8)
TURNS = [("this is terrible, still broken", 0), ("太差了,又坏了", 0), ("where is my order?", 1), ("thanks", 2)] * 8


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small BERT."""
    folder = tmp_path_factory.mktemp("bert")
    write_model("bert", folder)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What encoders export goes into a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("xdg")))


def _apart(folder: Path) -> float:
    """How much closer turns of one level are to each other than to those of another level."""
    texts, levels = zip(*TURNS[:4], strict=True)
    close = (vectors := encoders.load(str(folder)).encode(texts)) @ vectors.T
    same = np.equal.outer(levels, levels)
    return float(close[same].mean() - close[~same].mean())


def test_only_the_last_layers_change_and_levels_move_apart(tiny: Path, tmp_path: Path) -> None:
    target = tmp_path / "adapted"
    lora.adapt(tiny, TURNS, target, 1, QUICK)
    before, after = load_file(tiny / "model.safetensors"), load_file(target / "model.safetensors")
    changed = {name for name, value in before.items() if not np.array_equal(value, after[name])}
    assert changed
    assert all(name.startswith("encoder.layer.1.") and name.endswith(".weight") for name in changed)
    assert _apart(target) > _apart(tiny)
    made = json.loads((target / lora.MADE).read_text())
    assert (made["turns"], made["layers"]) == (len(TURNS), 1)


def test_it_repeats_and_has_a_fingerprint_of_its_own(tiny: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        lora.adapt(tiny, TURNS, tmp_path / name, 1, QUICK)
    one, two = (encoders.load(str(tmp_path / name)).fingerprint for name in ("one", "two"))
    assert one == two != encoders.load(str(tiny)).fingerprint


def test_what_cannot_be_adapted_is_refused_and_leaves_nothing(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(EncoderMissing, match="no layers to adapt"):
        lora.source_of("use")
    with pytest.raises(DataRefused, match="all of one level"):
        lora.adapt(tiny, [("fine", 1)] * 9, tmp_path / "new", 1, QUICK)
    with pytest.raises(DataRefused, match="has 2 layers"):
        lora.adapt(tiny, TURNS, tmp_path / "new", 1, Adaptation(layers=3))
    with pytest.raises(DataRefused, match="exists already"):
        lora.adapt(tiny, TURNS, tmp_path, 1, QUICK)
    assert list(tmp_path.iterdir()) == []


def test_no_fold_is_read_by_an_encoder_that_saw_its_labels(
    tiny: Path, conversations_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations = conversation_data.read([conversations_file])
    fold = conversation_train.parts(conversations, 5)
    learnt: list[Sequence[lora.Turn]] = []

    def adapt(source: Path, turns: Sequence[lora.Turn], *rest: object) -> None:
        learnt.append(turns)

    monkeypatch.setattr(lora, "adapt", adapt)
    monkeypatch.setattr(lora, "_vectors", lambda folder, texts, progress: {})
    lora.fold_lookups(tiny, conversations, fold, [], 5, QUICK, lambda stage, done, total: None)
    for k, turns in enumerate(learnt):
        others = [c for c, f in zip(conversations, fold, strict=True) if f != k]
        assert turns == lora.labelled(others)
    assert len(learnt) == conversation_train.FOLDS


def test_the_commands_adapt_train_and_serve(
    tiny: Path, conversations_file: Path, transactions_file: Path, tmp_path: Path
) -> None:
    cache, models, adapted = tmp_path / "cache", tmp_path / "models", tmp_path / "adapted"
    data = ["--data", str(conversations_file), "--cache", str(cache), "--json"]
    base = ["--all", "--transactions", str(transactions_file), "--encoder", "hash", "--out", str(models), "--promote"]
    assert runner.invoke(train_app, [*base, *data]).exit_code == 0
    command = ["conversations", *data, "--base", str(models), "--out", str(models), "--lora", str(adapted)]
    knobs = ["--encoder", f"packed-torch:{tiny}", "--lora-layers", "1", "--lora-epochs", "1", "--promote"]
    trained = runner.invoke(train_app, [*command, *knobs])
    assert trained.exit_code == 0, trained.stderr
    assert json.loads(trained.stdout)["data"]["conversations"]["adapted_encoder"]["layers"] == 1
    measured = runner.invoke(evaluate_app, ["conversations", *data, "--model", str(models)])
    assert measured.exit_code == 0, measured.stderr
    again = runner.invoke(train_app, [*command, "--encoder", str(tiny)])
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_cross_validation_adapts_in_each_fold(tiny: Path, conversations_file: Path, tmp_path: Path) -> None:
    from risk.embeddings import CachedEncoder

    encoder = CachedEncoder(encoders.load(f"packed-torch:{tiny}"), tmp_path)
    options = training.Options(adapted_from=lora.source_of(str(tiny)), adaptation=QUICK)
    frozen = training.cross_validate([conversations_file], encoder, seed=5)
    adapted = training.cross_validate([conversations_file], encoder, seed=5, options=options)
    np.testing.assert_array_equal(frozen.truth, adapted.truth)
    assert not np.array_equal(frozen.levels, adapted.levels)
    assert (adapted.levels.argmax(1) == adapted.truth).mean() > 0.8


def test_the_option_that_does_not_go_with_the_search_says_so(tiny: Path, conversations_file: Path) -> None:
    command = ["conversations", "--data", str(conversations_file), "--encoder", str(tiny), "--out", "nowhere"]
    result = runner.invoke(train_app, [*command, "--lora", "elsewhere", "--search", "2"])
    assert result.exit_code == 2
    assert "--search" in result.stderr
