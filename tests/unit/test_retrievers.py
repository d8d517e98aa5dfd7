"""A site's index: built from the database beside the one that serves, swapped under load, and never let down by a bad build."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from assistant.ids import new_id
from assistant.retrievers import SiteRetrievers
from assistant.shop.catalogue import put_documents, remove_documents
from assistant.storage.engine import Storage, connect
from assistant.storage.tables import metadata, site
from assistant.turns.ports import Unavailable
from retrieval.documents import Article, Document, Product, SearchContext, Vector
from retrieval.encoders import HashEncoder
from retrieval.search import Retriever

PRODUCT = SearchContext("product", "en", k=3)


class Encoder:
    """The hashing encoder; counts, and can be told to fail."""

    def __init__(self) -> None:
        self.inner = HashEncoder()
        self.dim, self.fingerprint = self.inner.dim, self.inner.fingerprint
        self.seen: list[str] = []
        self.fault: Exception | None = None

    def encode(self, texts: Sequence[str]) -> Vector:
        if self.fault is not None:
            raise self.fault
        self.seen.extend(texts)
        return self.inner.encode(texts)


class Shop:
    """A site with an index; time passes with every change."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'shop.db'}"
        engine = connect(url)
        metadata.create_all(engine)
        engine.dispose()
        self.storage, self.site_id, self.now = Storage(url), new_id(), 1
        row = {"id": self.site_id, "key": "demo", "name": "Lumen", "holdout_salt": "s", "created_at": 1}
        self.storage.write_sync(lambda connection: connection.execute(insert(site).values(**row)))
        self.encoder, self.index = Encoder(), folder / "index"
        self.retrievers = SiteRetrievers(self.storage, self.encoder, self.index)

    def put(self, *documents: Document) -> None:
        self.now += 1
        self.storage.write_sync(
            lambda connection: put_documents(connection, documents, site_id=self.site_id, now=self.now)
        )

    def serving(self) -> Retriever:
        found = self.retrievers.for_site(self.site_id)
        assert isinstance(found, Retriever)
        return found

    def ids(self, text: str, context: SearchContext = PRODUCT) -> list[str]:
        return [one.id for one in self.serving().search(self.encoder.inner.encode([text])[0], text, context)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.storage.close()


def product(number: int, title: str = "") -> Product:
    return Product(f"p{number}", "en", title or f"thing number {number}", stock=1)


def test_what_changes_in_the_database_serves_after_a_refresh(shop: Shop) -> None:
    assert shop.retrievers.for_site(shop.site_id) == Unavailable("no_index")
    shop.put(*(product(number) for number in range(5)))
    assert shop.retrievers.refresh() == 1
    assert shop.retrievers.refresh() == 0
    shop.encoder.seen.clear()
    shop.put(product(7, "copper kettle"), Article("returns", "en", "Returns", "# Cost\nThe label is free."))
    assert shop.retrievers.refresh() == 1
    assert sorted(shop.encoder.seen) == ["Returns . Cost . The label is free.", "copper kettle"]
    assert {kind: counts["encoded"] for kind, counts in shop.retrievers.counts(shop.site_id).items()} == {
        "product": 1,
        "article": 1,
    }
    assert shop.ids("copper kettle")[0] == "p7"
    assert shop.ids("label", SearchContext("article", "en")) == ["returns"]
    shop.storage.write_sync(
        lambda connection: remove_documents(connection, "article", ["returns"], site_id=shop.site_id)
    )
    shop.retrievers.refresh()
    assert shop.ids("label", SearchContext("article", "en")) == []


@pytest.mark.parametrize("fault", [OSError("no space left on device"), ValueError("a shape is wrong")])
def test_a_build_that_fails_leaves_the_old_index_serving_and_says_so(shop: Shop, fault: Exception) -> None:
    shop.put(product(1, "red mug"))
    shop.retrievers.refresh()
    before = shop.retrievers.version(shop.site_id)
    shop.put(product(2, "blue mug"))
    shop.encoder.fault = fault
    assert shop.retrievers.refresh() == 0
    assert shop.retrievers.degraded == {f"index:{shop.site_id}": str(fault)}
    assert shop.retrievers.version(shop.site_id) == before
    assert shop.ids("red mug") == ["p1"]
    shop.encoder.fault = None
    assert shop.retrievers.refresh() == 1
    assert shop.retrievers.degraded == {}
    assert sorted(shop.ids("mug")) == ["p1", "p2"]


def test_a_snapshot_that_rots_on_the_disk_is_built_again(shop: Shop) -> None:
    shop.put(product(1, "red mug"))
    shop.retrievers.refresh()
    snapshot = shop.serving().snapshot
    assert snapshot is not None
    rotten = snapshot.path / "product" / "documents.jsonl"
    content = rotten.read_bytes().replace(b"red", b"bad")
    rotten.unlink()  # another file under the same name: what serves keeps the one that it opened
    rotten.write_bytes(content)
    assert shop.ids("red mug") == ["p1"]
    again = SiteRetrievers(shop.storage, shop.encoder, shop.index)
    assert again.refresh() == 1
    found = again.for_site(shop.site_id)
    assert isinstance(found, Retriever)
    assert [one.document.title for one in found.search(None, "mug", PRODUCT)] == ["red mug"]
    assert again.version(shop.site_id) != snapshot.name


def test_builds_and_swaps_under_load_fail_no_search(shop: Shop) -> None:
    shop.put(*(product(number) for number in range(20)))
    shop.retrievers.refresh()
    failures: list[Any] = []
    answered = 0
    done = threading.Event()

    def ask() -> None:
        nonlocal answered
        while not done.is_set():
            try:
                found = shop.ids("thing number 7")
            except Exception as failure:
                failures.append(failure)
                return
            if len(found) != 3:
                failures.append(found)
            answered += 1

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    versions = set()
    for number in range(20, 32):
        shop.put(product(number))
        assert shop.retrievers.refresh() == 1
        versions.add(shop.retrievers.version(shop.site_id))
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(versions) == 12
    assert answered > 12
