"""The same shards on a real Ray cluster of this machine, where the extra `scale` is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from assistant.identity import sites
from assistant.loop import everybody, filling, once
from assistant.loop.build import build
from assistant.loop.everybody import Census
from assistant.storage.engine import Storage
from assistant.storage.migrate import upgrade
from retrieval.encoders import load
from risk import registry
from risk.conversation import train as conversation_train
from risk.conversation.data import Conversation
from risk.conversation.knobs import Knobs
from risk.conversation.search import search
from risk.dataset import files
from risk.scale.shards import HERE, Place, ShardFailed, run
from risk.types import Message

pytest.importorskip("ray", reason="the extra [scale] is not installed")
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")]

LOCAL = Place(address="local")
NOW = 1_795_000_000_000


def norms(shared: dict[str, np.ndarray], shard: tuple[int, int]) -> list[float]:
    """Norms of some rows."""
    first, last = shard
    return [float(np.sqrt(row @ row)) for row in shared["rows"][first:last]]


def test_a_cluster_gives_what_one_process_gives() -> None:
    shared = {"rows": np.random.default_rng(1).normal(size=(40, 512))}
    cut = [(first, first + 5) for first in range(0, 40, 5)]
    seen: list[int] = []
    assert run(LOCAL, norms, shared, cut, lambda done, total: seen.append(done)) == run(HERE, norms, shared, cut)
    assert seen == list(range(9))
    with pytest.raises(ShardFailed, match=r"shard 1 of 1 \(\('a', 'b'\)\): TypeError"):
        run(LOCAL, norms, shared, [("a", "b")])


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One for the tests that follow; a connection that is there already is used."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 * 2**20)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Storage, str]]:
    """A made-up shop's log whose labels have matured, and its site."""
    url = f"sqlite:///{tmp_path_factory.mktemp('logged') / 'log.db'}"
    upgrade(url)
    storage = Storage(url)
    made = storage.write_sync(lambda connection: sites.create(connection, key="made-up", name="Made up", now=NOW))
    filling.fill(storage, made.id, decisions=300, secret=b"secret", now=NOW)
    once.ripen(storage, made.id, NOW)
    yield storage, made.id
    storage.close()


def test_a_training_set_is_the_same_to_the_byte(
    cluster: None, logged: tuple[Storage, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, site_id = logged
    monkeypatch.setattr("assistant.loop.build.SHARD", 10)
    built = [
        build(storage, tmp_path / name, site_id=site_id, as_of=NOW, horizon_days=90, place=place)
        for name, place in (("here", HERE), ("ray", LOCAL), ("pool", Place(2)))
    ]
    here = files.read(built[0])
    assert len(here.cases) > 20
    assert {path.name for path in built} == {here.name}
    for name in (files.DECISIONS, files.CASES, files.OPEN, files.SHEET, files.CARD):
        assert len({(path / name).read_bytes() for path in built}) == 1


def test_scores_of_everybody_are_the_same_to_the_bit(
    cluster: None, logged: tuple[Storage, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, site_id = logged
    monkeypatch.setattr("assistant.loop.everybody.SHARD", 10)
    shards = storage.read_sync(lambda connection: everybody.customers(connection, site_id, NOW))
    census = Census(storage.url, site_id, NOW, registry.champion_folder(registry.SHIPPED), "use")
    here = everybody.score(HERE, census, shards)
    assert len(shards) > 2
    assert everybody.score(LOCAL, census, shards) == here


def test_a_search_tries_the_same_and_finds_the_same(cluster: None) -> None:
    words = ("thank you, that helps", "where is my order?", "this is terrible, I am leaving")
    talks = [
        Conversation(
            f"c{n}",
            "en",
            tuple(Message("contact", f"{words[(n + turn) % 3]} {n}") for turn in range(4)),
            tuple(2 - (n + turn) % 3 for turn in range(4)),
        )
        for n in range(14)
    ]
    encoder, quick = load("hash"), Knobs(epochs=4)
    texts = sorted(conversation_train.texts(talks, quick, 3))
    lookup = dict(zip(texts, encoder.encode(texts), strict=True))
    here = search(talks, lookup, 2, 3, quick, lambda *step: None)
    assert search(talks, lookup, 2, 3, quick, lambda *step: None, place=LOCAL) == here
