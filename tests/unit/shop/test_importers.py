from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from assistant.ids import new_id
from assistant.outcomes.store import record
from assistant.shop.history import load_history
from assistant.shop.importers import import_records, import_transactions
from assistant.shop.records import Target, minor_units
from assistant.storage.engine import Storage
from assistant.storage.tables import contact, order_return, orders

DAY = 86_400_000
NOW = 1_800_000_000_000
SECRET = b"k" * 32


def test_orders_are_stored_once_and_bad_rows_are_named(shop_storage: Storage, site_id: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "order,customer,date,total,currency,status\n"
        "A1,c1,2026-01-05,12.50,EUR,placed\n"
        "A2,c1,2026-02-30,9.00,EUR,placed\n"
        "A3,c1,2026-02-03,-1,EUR,placed\n"
        "A4,c2,2026-02-03,5,EUR,eaten\n"
        "A5,c2,2026-02-03,5,EUR,delivered\n"
    )
    report = import_records(shop_storage, path, "orders", Target(site_id, SECRET, NOW))
    assert (report.read, report.stored, report.unchanged) == (5, 2, 0)
    assert [(row.line, str(row).split(":")[0]) for row in report.bad] == [(3, "date"), (4, "total"), (5, "status")]
    again = import_records(shop_storage, path, "orders", Target(site_id, SECRET, NOW))
    assert (again.stored, again.unchanged) == (0, 2)
    totals = shop_storage.read_sync(lambda c: c.execute(select(orders.c.order_no, orders.c.total)).all())
    assert sorted(map(tuple, totals)) == [("A1", 1250), ("A5", 500)]


def test_a_later_row_moves_the_status_on(shop_storage: Storage, site_id: str, tmp_path: Path) -> None:
    first, later = tmp_path / "first.jsonl", tmp_path / "later.jsonl"
    first.write_text('{"order": "A1", "customer": "c1", "date": "2026-01-05", "total": 3}\n')
    later.write_text(
        '{"order": "A1", "customer": "c1", "date": "2026-01-05", "total": 99, "status": "delivered", "delivered": "2026-01-09"}\n'
    )
    import_records(shop_storage, first, "orders", Target(site_id, SECRET, NOW))
    report = import_records(shop_storage, later, "orders", Target(site_id, SECRET, NOW + DAY))
    assert report.stored == 1
    row = shop_storage.read_sync(lambda c: c.execute(select(orders)).mappings().one())
    assert (row["status"], row["total"], row["ts_ingested"]) == ("delivered", 300, NOW)
    assert row["delivered_at"] is not None


def test_what_the_shop_says_of_its_customers_is_kept(shop_storage: Storage, site_id: str, tmp_path: Path) -> None:
    rows, table = tmp_path / "contacts.jsonl", tmp_path / "contacts.csv"
    rows.write_text(
        '{"external_id": "c1", "attributes": {"plan": "student", "vip": true, "since": 2024}}\n'
        '{"external_id": "c2", "attributes": {"consent": "all"}}\n'
        '{"external_id": "c3", "attributes": ["plan"]}\n'
    )
    report = import_records(shop_storage, rows, "contacts", Target(site_id, SECRET, NOW))
    assert report.stored == 1
    assert [str(row) for row in report.bad] == [
        "attributes: these names are the product's own: consent, erased_at",
        "attributes: attributes are names with values",
    ]
    table.write_text("external_id,attributes\nc1,plan=gold | city=Graz\nc4,plan\n")
    report = import_records(shop_storage, table, "contacts", Target(site_id, SECRET, NOW))
    assert [str(row) for row in report.bad] == ["attributes: attributes read name=value|name=value"]
    kept = shop_storage.read_sync(lambda c: dict(c.execute(select(contact.c.external_id, contact.c.attributes)).all()))
    assert kept == {"c1": {"plan": "gold", "vip": "true", "since": "2024", "city": "Graz"}}
    again = import_records(shop_storage, table, "contacts", Target(site_id, SECRET, NOW))
    assert (again.stored, again.unchanged) == (0, 1)


def test_a_till_roll_becomes_orders_and_returns(shop_storage: Storage, site_id: str, tmp_path: Path) -> None:
    path = tmp_path / "roll.csv"
    path.write_text(
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
        "536365,85123A,HEART,6,2010-12-01 08:26:00,2.55,17850.0\n"
        "536365,71053,LANTERN,2,2010-12-01 08:26:00,3.39,17850.0\n"
        "C536379,85123A,HEART,-1,2010-12-02 09:41:00,2.55,17850.0\n"
        "536366,X,NOBODY,1,2010-12-01 08:28:00,1.85,\n"
        "536367,X,BAD,one,2010-12-01 08:28:00,1.85,1\n"
    )
    mapping = {
        "order": "InvoiceNo",
        "product": "StockCode",
        "description": "Description",
        "quantity": "Quantity",
        "date": "InvoiceDate",
        "price": "UnitPrice",
        "customer": "CustomerID",
    }
    report = import_transactions(shop_storage, path, Target(site_id, SECRET, NOW), currency="GBP", mapping=mapping)
    assert (report.read, report.stored) == (5, 2)
    assert [row.line for row in report.bad] == [5, 6]
    bought = shop_storage.read_sync(lambda c: c.execute(select(orders)).mappings().one())
    assert (bought["external_customer_id"], bought["total"], len(bought["lines"])) == ("17850", 2208, 2)
    back = shop_storage.read_sync(lambda c: c.execute(select(order_return)).mappings().one())
    assert (back["amount"], back["product_id"]) == (255, "85123A")


def test_history_holds_only_what_was_known_then(shop_storage: Storage, site_id: str, tmp_path: Path) -> None:
    people, bought, back = tmp_path / "c.jsonl", tmp_path / "o.jsonl", tmp_path / "r.jsonl"
    people.write_text(
        '{"external_id": "c1", "name": "王丽", "since": "2025-01-01"}\n{"external_id": "c2", "email": "no"}\n'
    )
    report = import_records(shop_storage, people, "contacts", Target(site_id, SECRET, NOW))
    assert (report.stored, [row.line for row in report.bad]) == (1, [2])
    bought.write_text(
        '{"order": "A1", "customer": "c1", "date": "2026-01-05", "total": 3, "lines": [{"product_id": "p", "quantity": 2}]}\n'
        '{"order": "A2", "customer": "c1", "date": "2027-02-05", "total": 3}\n'
    )
    back.write_text(
        '{"return_no": "R1", "order": "A1", "customer": "c1", "date": "2026-01-09", "amount": 3, "reason": "quality"}\n'
    )
    import_records(shop_storage, bought, "orders", Target(site_id, SECRET, NOW))
    import_records(shop_storage, back, "returns", Target(site_id, SECRET, NOW + 10))
    who = shop_storage.write_sync(
        lambda c: c.execute(contact.update().values(verified=True).returning(contact.c.id)).scalar_one()
    )

    def at(moment: int) -> tuple[list[str], list[str]] | None:
        history = shop_storage.read_sync(lambda c: load_history(c, site_id=site_id, contact_id=who, as_of=moment))
        return history and ([o.order_no for o in history.orders], [r.order_no for r in history.returns])

    assert at(NOW - 1) == ([], [])  # nothing had been ingested yet
    assert at(NOW) == (["A1"], [])
    assert at(NOW + 10) == (["A1"], ["A1"])
    shop_storage.write_sync(lambda c: c.execute(contact.update().values(verified=False)))
    assert at(NOW + 10) is None  # an unverified visitor has no history, whatever he claims to be


def test_the_visits_that_a_shop_tells_of_are_part_of_the_past(shop_storage: Any, site_id: str) -> None:
    def fill(connection: Any) -> str:
        made = contact.insert().values(
            id=new_id(), site_id=site_id, external_id="v1", customer_key="v" * 64, verified=True, attributes={}, first_seen_at=1
        )  # fmt: skip
        for number, (about, kind) in enumerate([("v", "return_visit"), ("v", "purchase"), ("w", "return_visit")]):
            record(
                connection, site_id=site_id, idempotency_key=f"{number}", type=kind, source="shop", ts_event=NOW - 5,
                now=NOW, customer_key=about * 64,
            )  # fmt: skip
        return str(connection.execute(made.returning(contact.c.id)).scalar_one())

    who = shop_storage.write_sync(fill)

    def visits(moment: int) -> list[int]:
        history = shop_storage.read_sync(lambda c: load_history(c, site_id=site_id, contact_id=who, as_of=moment))
        return [visit.ts_event for visit in history.visits]

    assert visits(NOW - 1) == []  # it had happened, but nobody had told
    assert visits(NOW) == [NOW - 5]


def test_minor_units_know_currencies_without_cents() -> None:
    assert minor_units(Decimal("12.505"), "EUR") == 1250
    assert minor_units(Decimal("1200"), "JPY") == 1200
