"""A small made-up shop and a fusion trained on it for real, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from risk import train as training
from risk.artefact import Artefact
from risk.embeddings import CachedEncoder
from risk.fusion import data
from risk.fusion import train as fusion_train
from risk.fusion.data import Case, Cases
from risk.registry import load_champion
from risk.scorer import ChampionScorer
from risk.world import shop


@pytest.fixture(scope="session")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a shop with 300 customers."""
    folder = tmp_path_factory.mktemp("shop")
    shop.write(shop.draw(300, seed=4), folder)
    return folder


def cases_of(folder: Path, part: str) -> Cases:
    """The joined conversations of one part."""
    names = (folder / f"{part}-{name}" for name in ("conversations.jsonl", "transactions.csv", "outcomes.csv"))
    conversations, transactions, outcomes = names
    return data.read([conversations], transactions, outcomes, mapping={}, horizon_days=90)


@pytest.fixture(scope="session")
def learnt(shop_folder: Path) -> Cases:
    """The train part."""
    return cases_of(shop_folder, "train")


@pytest.fixture(scope="session")
def unseen(shop_folder: Path) -> tuple[Case, ...]:
    """The test part: other customers, other words."""
    return cases_of(shop_folder, "test").rows


@pytest.fixture(scope="session")
def fused(artefact: Artefact, encoder: CachedEncoder, learnt: Cases) -> Artefact:
    """The tiny model with a fusion over its branches."""
    files = [{"name": "train-conversations.jsonl", "sha256": "0" * 64}]
    return fusion_train.train(
        "fused", artefact, encoder, learnt, files, horizon_days=90, seed=5, report=training.silent
    )


@pytest.fixture(scope="session")
def fused_scorer(fused: Artefact, tmp_path_factory: pytest.TempPathFactory) -> ChampionScorer:
    """The fused model, saved, loaded and served."""
    return load_champion(training.publish(fused, tmp_path_factory.mktemp("fused")), encoder_fingerprint=fused.encoder)
