from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from assistant.errors import BadInput
from assistant.shop.catalogue import import_documents, load_documents, put_documents, remove_documents
from assistant.storage.engine import Storage
from retrieval.documents import Offer, Product, Script

KETTLE = Product(
    id="p1", locale="en", title="Kettle", attributes={"volume": "1.7 l"}, price=3900, stock=3, regions=("DE",)
)
SORRY = Script(
    id="quality/sorry@zh",
    family="quality/sorry",
    locale="zh",
    title="致歉",
    text="很抱歉，{{ order_no }}",
    intent="defect",
    stage="compensate",
    reasons=("quality",),
    bands=("high",),
    examples=("坏了",),
    slots=("order_no",),
    conditions={"verified": True},
    offer=Offer(id="voucher-10", kind="voucher", amount=1000, cost=700),
)


def test_documents_come_back_as_they_went_in(shop_storage: Storage, site_id: str) -> None:
    documents = [KETTLE, replace(KETTLE, locale="zh", title="水壶"), SORRY]
    stored = shop_storage.write_sync(lambda c: put_documents(c, documents, site_id=site_id, now=1))
    assert stored == (3, 0)
    assert shop_storage.read_sync(lambda c: load_documents(c, "script", site_id=site_id)) == [SORRY]
    assert shop_storage.read_sync(lambda c: load_documents(c, "product", site_id=site_id)) == documents[:2]


def test_only_changed_documents_are_written(shop_storage: Storage, site_id: str) -> None:
    shop_storage.write_sync(lambda c: put_documents(c, [KETTLE, SORRY], site_id=site_id, now=1))
    changed = replace(KETTLE, stock=0)
    assert shop_storage.write_sync(lambda c: put_documents(c, [changed, SORRY], site_id=site_id, now=2)) == (1, 1)
    assert shop_storage.read_sync(lambda c: load_documents(c, "product", site_id=site_id)) == [changed]


def test_removed_documents_are_gone(shop_storage: Storage, site_id: str) -> None:
    shop_storage.write_sync(lambda c: put_documents(c, [KETTLE, SORRY], site_id=site_id, now=1))
    assert shop_storage.write_sync(lambda c: remove_documents(c, "product", ["p1"], site_id=site_id)) == 1
    assert shop_storage.read_sync(lambda c: load_documents(c, "product", site_id=site_id)) == []
    assert shop_storage.read_sync(lambda c: load_documents(c, "script", site_id=site_id)) == [SORRY]


def family(name: str, **changed: object) -> bytes:
    wording = {"title": "Sorry", "text": "I'm sorry.", "examples": ["it broke"], "quick_replies": []}
    row = {
        "family": name,
        "intent": "defect",
        "stage": "acknowledge",
        "approved_by": "mara",
        "locales": {"en": wording, "zh": {**wording, "text": "很抱歉。"}},
    }
    return orjson.dumps({**row, **changed})


def test_scripts_are_imported_row_by_row_and_once(shop_storage: Storage, site_id: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_bytes(
        b"\n".join([family("mine/sorry-1"), family("mine/sorry-2", stage="shout"), family("mine/sorry-3")])
    )
    report = import_documents(shop_storage, file, "script", site_id=site_id, now=1)
    assert (report.read, report.stored, report.unchanged) == (5, 4, 0)
    assert [(row.line, "stage" in str(row)) for row in report.bad] == [(2, True)]
    again = import_documents(shop_storage, file, "script", site_id=site_id, now=2)
    assert (again.stored, again.unchanged) == (0, 4)
    kept = shop_storage.read_sync(lambda connection: load_documents(connection, "script", site_id=site_id))
    assert [document.id for document in kept] == [
        "mine/sorry-1@en",
        "mine/sorry-1@zh",
        "mine/sorry-3@en",
        "mine/sorry-3@zh",
    ]


def test_products_are_imported_from_csv(shop_storage: Storage, site_id: str, tmp_path: Path) -> None:
    file = tmp_path / "shop.csv"
    file.write_text("id,title,price,stock\np1,Kettle,3900,3\np2,,100,1\n", "utf-8")
    report = import_documents(shop_storage, file, "product", site_id=site_id, now=1)
    assert (report.stored, [row.line for row in report.bad]) == (1, [3])


def test_a_file_that_is_not_there_is_an_answer(shop_storage: Storage, site_id: str, tmp_path: Path) -> None:
    for kind in ("script", "product"):
        with pytest.raises(BadInput, match=r"nowhere\.jsonl"):
            import_documents(shop_storage, tmp_path / "nowhere.jsonl", kind, site_id=site_id, now=1)
