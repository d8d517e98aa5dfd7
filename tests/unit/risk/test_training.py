"""Training as a whole: repeatable, served as measured, and clear when it cannot be done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from risk import train as training
from risk.artefact import Artefact
from risk.commands import train_app
from risk.conversation import data as conversation_data
from risk.conversation import train as conversation_train
from risk.embeddings import CachedEncoder
from risk.errors import DataRefused
from risk.evaluate import conversation_figures, replay
from risk.evaluate_commands import evaluate_app
from risk.scorer import ChampionScorer, floors_of

runner = CliRunner()


def test_training_repeats_to_the_bit(artefact: Artefact, conversations_file: Path, encoder: CachedEncoder) -> None:
    again = training.train_conversations([conversations_file], encoder, seed=5)
    for name, value in again.tensors.items():
        np.testing.assert_array_equal(artefact.tensors[name], value, err_msg=name)


def test_a_whole_conversation_at_once_equals_step_by_step(
    artefact: Artefact, scorer: ChampionScorer, conversations_file: Path, encoder: CachedEncoder
) -> None:
    """Batch == single: the arrays that training reads give, step by step, the state that serving reaches."""
    conversation = conversation_data.read([conversations_file])[0]
    row = conversation_train.prepare(conversation, encoder.lookup(m.text for m in conversation.messages))
    served, alone = scorer.initial(), scorer._conversation.initial()
    for i, message in enumerate(conversation.messages):
        served = scorer.advance(served, row.vectors[i], message)
        alone = scorer._conversation.advance(alone, row.vectors[i], message, row.features[i])
    np.testing.assert_array_equal(served.conversation.hidden, alone.hidden)
    assert served.conversation.smoothed == alone.smoothed


def test_the_model_learns_what_the_made_up_data_holds(
    artefact: Artefact, scorer: ChampionScorer, conversations_file: Path, encoder: CachedEncoder
) -> None:
    conversations = conversation_data.read([conversations_file])
    lookup = encoder.lookup(m.text for c in conversations for m in c.messages)
    readings = replay(scorer, floors_of(artefact), conversations, lookup)
    assert (readings["model"].levels.argmax(1) == readings["model"].truth).mean() > 0.8
    assert len(readings["tfidf"].truth) == len(readings["model"].truth)


def test_vectors_are_encoded_once(conversations_file: Path, encoder: CachedEncoder) -> None:
    texts = [m.text for c in conversation_data.read([conversations_file]) for m in c.messages]
    encoder.lookup(texts)
    calls: list[int] = []
    encoder.lookup(texts, lambda done, total: calls.append(done))
    assert calls == []


def test_the_commands_train_promote_and_evaluate(
    conversations_file: Path, transactions_file: Path, tmp_path: Path
) -> None:
    common = ["--encoder", "hash", "--cache", str(tmp_path / "cache"), "--json"]
    out = tmp_path / "models"
    trained = runner.invoke(
        train_app,
        [
            "--all",
            "--data",
            str(conversations_file),
            "--transactions",
            str(transactions_file),
            "--out",
            str(out),
            "--promote",
            *common,
        ],
    )
    assert trained.exit_code == 0, trained.stderr
    assert json.loads(trained.stdout)["promoted"] is True
    measured = runner.invoke(
        evaluate_app,
        [
            "conversations",
            "--data",
            str(conversations_file),
            "--model",
            str(out),
            "--cache",
            str(tmp_path / "cache"),
            "--plot",
            str(tmp_path / "curve.svg"),
            "--json",
        ],
    )
    assert measured.exit_code == 0, measured.stderr
    figures = json.loads(measured.stdout)
    named = {
        "n",
        "accuracy",
        "macro_f1",
        "dissatisfied_auc",
        "dissatisfied_ap",
        "forecast_auc",
        "ece",
        "early_warning",
        "baselines",
    }
    assert set(figures) == named
    assert set(figures["accuracy"]) == {"value", "low", "high"}
    assert set(figures["baselines"]) == {"tfidf", "surface"}
    assert {(w["alpha"], w["h"]) for w in figures["early_warning"]} == {
        (a, h) for a in (0.05, 0.1, 0.2) for h in (0, 1, 2)
    }
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")
    history = runner.invoke(
        train_app,
        ["history", "--transactions", str(transactions_file), "--base", str(out), "--out", str(out), "--json"],
    )
    assert history.exit_code == 0, history.stderr


def test_history_is_measured_by_earlier_windows_only(transactions_file: Path) -> None:
    result = runner.invoke(
        evaluate_app, ["history", "--transactions", str(transactions_file), "--as-of", "2025-07-15", "--json"]
    )
    assert result.exit_code == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["n"] > 100
    assert figures["auc"]["low"] <= figures["auc"]["value"] <= figures["auc"]["high"]


def test_refusals_are_one_line_and_no_traceback(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text("not json\n")
    result = runner.invoke(
        train_app,
        [
            "conversations",
            "--data",
            str(bad),
            "--out",
            str(tmp_path),
            "--encoder",
            "hash",
            "--cache",
            str(tmp_path / "c"),
        ],
    )
    assert result.exit_code == 2
    assert "line 1" in result.stderr
    assert "Traceback" not in result.stderr
    assert runner.invoke(evaluate_app, ["conversations", "--data", str(tmp_path / "absent")]).exit_code == 2


@pytest.mark.parametrize("horizon", ["0d", "soon", "-5d"])
def test_a_bad_horizon_is_named(transactions_file: Path, tmp_path: Path, horizon: str) -> None:
    result = runner.invoke(
        train_app, ["history", "--transactions", str(transactions_file), "--out", str(tmp_path), "--horizon", horizon]
    )
    assert result.exit_code == 2
    assert "horizon" in result.stderr


def _talks(path: Path, count: int, level: int | None = None, whole: int | None = None) -> Path:
    """Conversations of two messages, labelled as asked; levels go round where `level` is −1."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        messages: list[dict[str, Any]] = [{"role": "customer", "text": f"order {number}{n}?"} for n in range(2)]
        for n, message in enumerate(messages if level is not None else []):
            message["satisfaction"] = level if level != -1 else (number + n) % 3
        rows.append({"id": str(number), "language": "en", "messages": messages})
        if whole is not None:
            rows[-1]["satisfaction"] = (number + whole) % 3
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("count", "level", "said"),
    [(12, None, "no message carries"), (12, 1, "the same `satisfaction`, 1"), (3, -1, "3 conversations .* too few")],
)
def test_nothing_is_trained_where_nothing_can_be_learnt(
    tmp_path: Path, encoder: CachedEncoder, count: int, level: int | None, said: str
) -> None:
    with pytest.raises(DataRefused, match=said):
        training.train_conversations([_talks(tmp_path / "talks.jsonl", count, level)], encoder)


def test_ratings_of_whole_conversations_are_measured_where_no_turn_is_rated(
    tmp_path: Path, artefact: Artefact, scorer: ChampionScorer, encoder: CachedEncoder
) -> None:
    conversations = conversation_data.read([_talks(tmp_path / "talks.jsonl", 12, whole=0)])
    lookup = encoder.lookup(m.text for c in conversations for m in c.messages)
    readings = replay(scorer, floors_of(artefact), conversations, lookup)
    assert readings["model"].truth.tolist() == [c.level for c in conversations]
    figures = conversation_figures(readings, scorer.bands.alarms)
    assert figures["n"] == 12
    assert figures["early_warning"][0]["dr"]["value"] is None
    with pytest.raises(DataRefused, match="--turns-only"):
        conversation_figures(readings, scorer.bands.alarms, turns_only=True)
