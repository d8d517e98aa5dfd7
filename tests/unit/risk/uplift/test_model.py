from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from risk.errors import ArtefactRefused, DataRefused
from risk.ope import Logged
from risk.uplift.model import Effect, UpliftModel
from risk.uplift.train import train

ACTIONS = ("reply:a", "offer:o", "escalate")


def log(n: int = 4000, seed: int = 0) -> list[Logged]:
    """Offers keep (+.3) those who care for price, and nobody else; people are drawn too rarely to learn about."""
    random = np.random.default_rng(seed)
    rows = []
    for customer in range(n):
        price, risk = random.random(), random.random()
        offer = 0.2 + 0.5 * risk
        shares = (0.995 - offer, offer, 0.005)
        action = int(random.choice(3, p=shares))
        stay = 0.7 - 0.4 * risk + (0.3 if action == 1 and price > 0.5 else 0.0)
        rows.append(
            Logged(
                customer=str(customer), actions=ACTIONS, probabilities=shares, values=(0.0, 0.0, 0.0), action=ACTIONS[action],
                propensity=shares[action], reward=float(random.random() < stay), features={"price": price, "risk": risk},
            )
        )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def model() -> UpliftModel:
    found, left_out = train(log())
    assert set(left_out) == {"escalate", "recommend"}
    assert "least" in left_out["escalate"]
    return found


def test_who_is_helped_is_learned_whatever_the_log_preferred(model: UpliftModel) -> None:
    cares, does_not = (model.effects({"price": price, "risk": 0.5})["offer"] for price in (0.9, 0.1))
    assert cares == pytest.approx(0.3, abs=0.1)
    assert does_not == pytest.approx(0.0, abs=0.1)
    assert model.known["offer"].mean == pytest.approx(0.15, abs=0.05)
    assert model.known["offer"].learner != "average"


def test_unknown_features_count_as_usual_and_effects_stay_in_range(model: UpliftModel) -> None:
    effect = model.known["offer"]
    for features in ({}, {"price": None}, {"price": float("nan")}, {"price": 1e12, "risk": -1e12}, {"other": 3.0}):
        assert effect.low <= model.effects(features)["offer"] <= effect.high


def test_saved_and_read_again_it_is_the_same(model: UpliftModel, tmp_path: Path) -> None:
    model.save(tmp_path / "uplift.json")
    again = UpliftModel.load(tmp_path / "uplift.json")
    assert again.version == model.version
    x = np.random.default_rng(1).random((50, 2))
    assert np.array_equal(again.predict(x)["offer"], model.predict(x)["offer"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: whole["content"]["features"].update(price=9.9),
        lambda whole: whole["content"]["effects"]["offer"].update(mean=0.9),
        lambda whole: whole["content"]["effects"]["offer"].update(trees="nonsense"),
        lambda whole: whole["content"]["effects"]["offer"].pop("low"),
        lambda whole: whole["content"].update(format=2),
        lambda whole: whole.update(sha256="0" * 64),
        lambda whole: whole.pop("content"),
    ],
)
def test_a_file_that_was_touched_is_refused(model: UpliftModel, tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "uplift.json"
    model.save(path)
    whole = json.loads(path.read_text(encoding="utf-8"))
    spoil(whole)
    path.write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(ArtefactRefused):
        UpliftModel.load(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "pickle").write_bytes(b"\x80\x04boom")
    for path in (tmp_path / "missing", tmp_path / "pickle"):
        with pytest.raises(ArtefactRefused):
            UpliftModel.load(path)


def test_an_effect_that_is_the_same_for_all_is_served_as_such() -> None:
    flat = UpliftModel({"price": 0.5}, {"offer": Effect(0.1, 0.1, 0.1, None, "average", {})}, {})
    assert flat.effects({"price": 3.0}) == {"offer": 0.1}


def test_what_cannot_be_learned_is_refused() -> None:
    with pytest.raises(DataRefused, match="no treatment can be learned"):
        train(log(200))
    with pytest.raises(DataRefused, match="between 0 and 1"):
        train([replace(row, reward=12.0) for row in log(50)])
    with pytest.raises(DataRefused, match="no treatment"):
        train([replace(row, forced=True) for row in log(2000)])
