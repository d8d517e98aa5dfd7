"""Scores of all customers: point in time, the same wherever they are worked out, for people and programs to read."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from typer.testing import CliRunner

from assistant.cli import app
from assistant.loop import everybody
from assistant.loop.everybody import Census, Standing
from assistant.storage.tables import contact, turn_vector
from retrieval.encoders import load
from risk import registry
from risk.scale.shards import HERE, Place, ShardFailed

DAY = 86_400_000
START = 1_795_000_000_000
MODEL = registry.champion_folder(registry.SHIPPED)
FURY = "This is terrible, nobody helps me, I am leaving for another shop!"


@pytest.fixture
def filled(shop: Any) -> Any:
    """Ada bought often and wrote angrily; Ben bought once, long ago; Cleo wrote long ago; Dora came later; a guest."""
    for name in ("ada", "ben", "cleo", "dora"):
        contact_id, key = shop.customer(name)
        if name == "dora":
            when = START + 300 * DAY
            shop.storage.write_sync(
                lambda c, i=contact_id, w=when: c.execute(
                    update(contact).where(contact.c.id == i).values(first_seen_at=w)
                )
            )
        if name == "ada":
            for month in range(6):
                shop.order(name, START + month * 20 * DAY)
            shop.talk(contact_id, key, ["where is my order?", FURY], START + 118 * DAY)
        if name == "ben":
            shop.order(name, START - 200 * DAY)
        if name == "cleo":
            shop.order(name, START + 90 * DAY)
            shop.talk(contact_id, key, [FURY], START + 2 * DAY)
    guest, _ = shop.customer("guest")
    shop.storage.write_sync(
        lambda c: c.execute(update(contact).where(contact.c.id == guest).values(external_id=None, verified=False))
    )
    return shop


def census(shop: Any, as_of: int = START + 120 * DAY) -> Census:
    return Census(shop.storage.url, shop.site_id, as_of, MODEL, "use")


def scored(shop: Any, place: Place = HERE, as_of: int = START + 120 * DAY) -> dict[str, Standing]:
    shards = shop.storage.read_sync(lambda c: everybody.customers(c, shop.site_id, as_of))
    return {found.customer: found for found in everybody.score(place, census(shop, as_of), shards)}


def test_those_whom_the_shop_knew_by_then_and_what_speaks_for_them(filled: Any) -> None:
    found = scored(filled)
    assert set(found) == {"ada", "ben", "cleo"}
    assert found["ada"].conversation is not None
    assert found["ben"].conversation is None
    assert found["cleo"].conversation is None  # 118 days ago says nothing about today
    assert found["ada"].score.dissatisfaction > found["cleo"].score.dissatisfaction
    assert any(driver.kind == "turn" for driver in found["ada"].score.drivers)
    assert found["ben"].score.churn > found["cleo"].score.churn
    assert all(one.score.low <= one.score.churn <= one.score.high for one in found.values())


def test_what_happened_or_became_known_later_changes_nothing(filled: Any) -> None:
    before = scored(filled)
    filled.order("ben", START + 121 * DAY)
    filled.order("ben", START + 100 * DAY, ingested=START + 125 * DAY)
    contact_id = filled.storage.read_sync(
        lambda c: c.execute(contact.select().where(contact.c.external_id == "ben")).mappings().one()["id"]
    )
    filled.talk(contact_id, "ben".ljust(64, "k"), [FURY], START + 121 * DAY)
    assert scored(filled) == before
    assert scored(filled, as_of=START + 130 * DAY)["ben"].score.churn != before["ben"].score.churn


@pytest.mark.parametrize("workers", [2, 3])
def test_in_a_pool_the_scores_are_the_same_to_the_bit(
    filled: Any, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = scored(filled)
    monkeypatch.setattr(everybody, "SHARD", 1)
    assert scored(filled, Place(workers)) == alone


def test_vectors_that_were_served_are_read_not_made_again(filled: Any) -> None:
    ada = scored(filled)["ada"]
    calm = load("use").encode(["Thank you, that helps a lot."])[0]
    filled.storage.write_sync(
        lambda c: c.execute(
            insert(turn_vector).values(
                conversation_id=ada.conversation, seq=3, fingerprint=load("use").fingerprint, vector=calm.tobytes()
            )
        )
    )
    assert scored(filled)["ada"].score.dissatisfaction < ada.score.dissatisfaction


def test_a_model_that_cannot_be_loaded_names_the_shard(filled: Any, tmp_path: Path) -> None:
    broken = replace(census(filled), model=tmp_path / "nowhere")
    shards = filled.storage.read_sync(lambda c: everybody.customers(c, filled.site_id, START))
    with pytest.raises(ShardFailed, match=r"shard 1 of 1 \(customers .* to .*\): no model folder nowhere"):
        everybody.score(HERE, broken, shards)


def test_the_command_writes_a_file_for_people_and_one_for_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAYWELL_DATA_DIR", str(tmp_path / "var"))
    customers, orders = tmp_path / "c.csv", tmp_path / "o.csv"
    customers.write_text("external_id,name,email\n=1+1,Ada,a@example.com\n77,Ben,b@example.com\n", encoding="utf-8")
    lines = [f"o{n},{who},2026-0{n + 1}-03,40,EUR,delivered" for n in range(4) for who in ("77",)]
    orders.write_text("order,customer,date,total,currency,status\n" + "\n".join(lines) + "\n", encoding="utf-8")

    def call(*words: str) -> Any:
        found = CliRunner().invoke(app, list(words))
        assert found.exit_code == 0, found.output
        return found

    call("migrate")
    call("site", "add", "my-shop", "--name", "Mine", "--origin", "https://shop.example")
    call("import", "contacts", str(customers), "--site", "my-shop")
    call("import", "orders", str(orders), "--site", "my-shop")
    told = json.loads(
        call("score", "customers", "--site", "my-shop", "--out", str(tmp_path / "s.jsonl"), "--json").stdout
    )
    assert told["customers"] == 2
    assert sum(told["bands"].values()) == 2
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text(encoding="utf-8").splitlines()]
    ben = next(row for row in rows if row["customer"] == "77")
    assert 0 <= ben["low"] <= ben["churn"] <= ben["high"] <= 1
    assert {"kind", "code", "effect", "value", "seq"} == set(ben["drivers"][0])
    assert ben["model"] == MODEL.name
    call("score", "customers", "--site", "my-shop", "--out", str(tmp_path / "s.csv"), "--workers", "1")
    with (tmp_path / "s.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert {row["customer"] for row in table} == {"77", "'=1+1"}  # no spreadsheet runs a customer's number
    assert sorted(p.name for p in tmp_path.glob("*s.*")) == ["s.csv", "s.jsonl"]
    wrong = CliRunner().invoke(app, ["score", "customers", "--site", "my-shop", "--out", str(tmp_path / "s.xlsx")])
    assert wrong.exit_code == 1
    assert ".csv or .jsonl" in wrong.stderr
