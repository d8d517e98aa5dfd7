"""Training and measuring a fusion: disjoint splits, refusals, a complete artefact, honest figures, the commands."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from risk import artefact as artefacts
from risk import train as training
from risk.artefact import Artefact
from risk.commands import train_app
from risk.embeddings import CachedEncoder
from risk.errors import ArtefactRefused, DataRefused
from risk.evaluate_commands import evaluate_app
from risk.fusion import calibrate, measure, validate
from risk.fusion import commands as fusion_commands
from risk.fusion import train as fusion_train
from risk.fusion.data import Cases
from risk.fusion.rows import Rows, collect
from risk.metrics import log_loss
from risk.registry import load_champion
from risk.scorer import ChampionScorer
from risk.world.commands import simulate_app

runner = CliRunner()
DAY = 86_400_000


@pytest.fixture(scope="module")
def rows(learnt: Cases, scorer: ChampionScorer, encoder: CachedEncoder) -> Rows:
    """The train part as arrays."""
    lookup = encoder.lookup(m.text for case in learnt.rows for m in case.conversation.messages)
    return collect(learnt.rows, scorer, lookup, 5)[0]


def test_no_customer_is_on_both_sides_of_a_split(rows: Rows) -> None:
    fold = rows.folds(5, 1)
    for customer in np.unique(rows.customer):
        assert len(np.unique(fold[rows.customer == customer])) == 1
    assert len(np.unique(fold)) == 5


def test_what_is_judged_lies_after_everything_that_was_learnt(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Rows, Rows]] = []

    def watch(learnt: Rows, judged: Rows, seed: int) -> dict[str, np.ndarray]:
        seen.append((learnt, judged))
        return {"text": np.zeros(len(judged.y))}

    monkeypatch.setattr(validate, "_one", watch)
    found = validate.out_of_fold(rows, 90, 1, lambda: None)
    assert len(seen) == validate.OUTER
    for learnt, judged in seen:
        assert learnt.at.max() + 90 * DAY < judged.at.min()
        assert not set(learnt.customer.tolist()) & set(judged.customer.tolist())
    assert "known before" in found.split


def test_an_input_that_copies_the_label_is_refused(rows: Rows) -> None:
    told = rows.history.copy()
    told[:, 0] = rows.y
    with pytest.raises(DataRefused, match="recency_days alone tells the outcome"):
        validate.refuse_giveaways(dataclasses.replace(rows, history=told))


def test_training_repeats_to_the_bit(
    fused: Artefact, artefact: Artefact, encoder: CachedEncoder, learnt: Cases
) -> None:
    files = fused.data["fusion"]["files"]
    again = fusion_train.train(
        "fused", artefact, encoder, learnt, files, horizon_days=90, seed=5, report=training.silent
    )
    assert again.version == fused.version
    assert again.card == fused.card


def test_the_card_says_of_each_baseline_whether_it_is_beaten(fused: Artefact) -> None:
    card = fused.card
    assert "## Fusion" in card
    assert "## Cold start" not in card
    for name in (*measure.BASELINES, "additive"):
        beaten = fused.metrics["fusion"]["beats"][name]
        line = next(line for line in card.splitlines() if line.startswith(f"- {name}: "))
        assert line.endswith("beaten" if beaten else "**not beaten**")
        assert beaten == (fused.metrics["fusion"]["gains"][name]["auc"]["low"] > 0)


def test_the_fusion_beats_what_sees_less_even_in_a_small_shop(fused: Artefact) -> None:
    found = fused.metrics["fusion"]
    assert found["fusion"]["auc"]["value"] > found["baselines"]["recency"]["auc"]["value"] + 0.05
    assert found["beats"]["recency"]
    assert found["ceiling"]["auc"]["value"] > found["fusion"]["auc"]["value"]


def test_another_training_of_a_branch_drops_the_fusion(fused: Artefact, transactions_file: Path) -> None:
    branch = training.train_history(training.Histories.of_file(transactions_file, {}), 90, seed=6)
    model = training.assemble("later", fused.encoder, fused.encoder_name, [branch], fused, 6)
    assert not model.fusion
    assert "fusion" not in {*model.settings, *model.metrics, *model.data}
    assert not any(name.startswith("fusion.") for name in model.tensors)
    assert "## Cold start" in model.card


def test_bands_follow_the_fused_scores(fused: Artefact) -> None:
    bands = training.fit_bands(fused)
    scores = fused.tensors["fusion.population"]
    assert np.mean(scores >= bands.high) == pytest.approx(training.HIGH_SHARE, abs=0.03)
    assert "fusion" in bands.fitted_on


@pytest.mark.parametrize("damage", ["no history", "no learner", "unknown kind", "other inputs", "another length"])
def test_a_fusion_whose_parts_do_not_fit_is_refused(fused: Artefact, tmp_path: Path, damage: str) -> None:
    tensors, files, settings = dict(fused.tensors), dict(fused.fusion), dict(fused.settings["fusion"])
    if damage == "no history":
        del files[artefacts.FUSION_HISTORY]
    elif damage == "no learner":
        settings, files = {"kind": "trees", "members": 0}, {artefacts.FUSION_HISTORY: files[artefacts.FUSION_HISTORY]}
    elif damage == "unknown kind":
        settings["kind"] = "magic"
    elif damage == "other inputs":
        files[artefacts.FUSION_HISTORY] = files[artefacts.FUSION_HISTORY].replace("recency_days", "tomorrow")
    else:
        tensors["fusion.projection.centre"] = np.zeros(3, np.float32)
    broken = dataclasses.replace(fused, tensors=tensors, fusion=files, settings={**fused.settings, "fusion": settings})
    with pytest.raises(ArtefactRefused):
        ChampionScorer.from_artefact(broken, training.fit_bands(fused))


def test_a_fusion_file_that_no_manifest_lists_is_refused(artefact: Artefact, tmp_path: Path) -> None:
    folder = training.publish(artefact, tmp_path)
    (folder / artefacts.FUSION_TREES).write_text("tree\n")
    with pytest.raises(ArtefactRefused, match="no manifest lists"):
        load_champion(folder)


def test_too_few_conversations_are_refused(artefact: Artefact, encoder: CachedEncoder, learnt: Cases) -> None:
    few = Cases(learnt.rows[:50], learnt.left_out)
    with pytest.raises(DataRefused, match="a fusion needs 200"):
        fusion_train.train("few", artefact, encoder, few, [], horizon_days=90, seed=1, report=training.silent)


def test_the_calibration_with_the_smallest_loss_is_taken() -> None:
    random = np.random.default_rng(3)
    true = random.uniform(0.05, 0.95, 1_500)
    y = (random.random(1_500) < true).astype(float)
    boasting = true**2 / (true**2 + (1 - true) ** 2)  # twice as sure as it may be
    groups = np.arange(1_500) // 2
    method, losses = calibrate.choose(boasting, y, groups, seed=1)
    assert losses[method] == min(losses[name] for name in calibrate.METHODS) < losses["none"]
    for name in calibrate.METHODS:
        curve = calibrate.curve(name, boasting, y, groups, seed=1, rounds=20)
        assert (np.diff(curve.point) >= -1e-12).all()
        assert (curve.low <= curve.high).all()
        assert log_loss(np.interp(boasting, curve.scores, curve.point), y) < losses["none"]


def test_a_share_of_the_way_is_one_at_the_truth_and_nothing_at_the_better_branch() -> None:
    random = np.random.default_rng(2)
    x, h = random.normal(size=(2, 600))
    truth = 1 / (1 + np.exp(-(x + 0.6 * h)))
    y = (random.random(600) < truth).astype(float)
    scores = {"text": x, "history": h, "recency": -h, "surface": np.zeros(600)}
    best = measure.figures({"fusion": x + 0.6 * h, **scores}, truth, y, np.arange(600), truth)
    assert best["ceiling"]["share_of_the_way"]["value"] == 1.0
    assert all(best["beats"].values())
    none = measure.figures({"fusion": x, **scores}, truth, y, np.arange(600), truth)
    assert none["ceiling"]["better_branch"] == "text"
    assert none["ceiling"]["share_of_the_way"]["value"] == 0.0
    assert not none["beats"]["text"]


def test_the_commands_simulate_train_and_evaluate(shop_folder: Path, artefact: Artefact, tmp_path: Path) -> None:
    base = tmp_path / "base"
    folder = training.publish(artefact, base)

    def files(part: str) -> list[str]:
        names = {"--data": "conversations.jsonl", "--transactions": "transactions.csv", "--outcomes": "outcomes.csv"}
        found = [word for option, name in names.items() for word in (option, str(shop_folder / f"{part}-{name}"))]
        return [*found, "--cache", str(tmp_path / "cache"), "--json"]

    def run(app: Any, *words: str) -> dict[str, Any]:
        result = runner.invoke(app, list(words))
        assert result.exit_code == 0, result.stderr
        return dict(json.loads(result.stdout))

    made = run(simulate_app, "shop", "--out", str(tmp_path / "shop"), "--customers", "60", "--json")
    assert set(made["ceiling"]) == {"train", "test"}
    assert all((tmp_path / "shop" / name).is_file() for name in made["files"])
    trained = run(
        fusion_train_app(),
        "fusion",
        *files("train"),
        "--base",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--promote",
    )
    assert trained["promoted"]
    found = run(fusion_evaluate_app(), "fusion", *files("test"), "--model", str(tmp_path / "out"))
    assert set(found) == {
        "n", "customers", "churn_rate", "fusion", "baselines", "gains", "beats", "ceiling", "missing",
    }  # fmt: skip
    assert set(found["baselines"]) == {*measure.BASELINES, measure.COLD}
    newer = run(
        fusion_evaluate_app(), "fusion", *files("test"), "--model", str(tmp_path / "out"), "--since", "2025-03-01"
    )
    assert 0 < newer["n"] < found["n"]
    assert set(found["missing"]) == {"without_history", "without_chat"}
    assert found["ceiling"]["auc"]["value"] > found["fusion"]["auc"]["value"]
    mixed = runner.invoke(fusion_evaluate_app(), ["fusion", *files("test"), "--dataset", str(tmp_path)])
    assert mixed.exit_code == 2
    assert "dataset" in mixed.stderr
    refused = runner.invoke(fusion_evaluate_app(), ["fusion", *files("test"), "--model", str(folder)])
    assert refused.exit_code == 2
    assert "no fusion" in refused.stderr


def fusion_train_app() -> Any:
    """The app with the command mounted, as the command line does."""
    return _mounted(train_app, fusion_commands.train_fusion)


def fusion_evaluate_app() -> Any:
    """Likewise."""
    return _mounted(evaluate_app, fusion_commands.evaluate_fusion)


def _mounted(app: Any, command: Any) -> Any:
    if not any(found.name == "fusion" for found in app.registered_commands):
        app.command("fusion")(command)
    return app
