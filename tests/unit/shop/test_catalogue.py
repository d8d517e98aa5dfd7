from __future__ import annotations

from dataclasses import replace

from assistant.shop.catalogue import load_documents, put_documents, remove_documents
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
