from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from assistant.loop.build import build
from assistant.outcomes.maturity import mature
from assistant.shop.records import OrderRow, Target, put_order
from assistant.storage.tables import contact
from risk.dataset import files
from risk.ope import read_log
from risk.scale.shards import Place

DAY = 86_400_000
START = 1_795_000_000_000
THEN = START + 120 * DAY  # the moment of the training set


@pytest.fixture
def filled(shop: Any) -> Any:
    """Two customers with known labels, one treated; one whose label is not known yet."""
    for name, left, offered in (("ada", 1.0, False), ("ben", 0.0, True)):
        contact_id, key = shop.customer(name)
        shop.order(name, START - 40 * DAY)
        _, decision = shop.talk(
            contact_id, key, ["where is my order?", "this is the third time"], START, offered=offered
        )
        shop.label(decision, left, at=START + 90 * DAY, known=START + 93 * DAY)
    contact_id, key = shop.customer("cleo")
    shop.talk(contact_id, key, ["hello"], START + 60 * DAY)
    return shop


def made(shop: Any, folder: Path, as_of: int = THEN) -> files.Dataset:
    return files.read(build(shop.storage, folder, site_id=shop.site_id, as_of=as_of, horizon_days=90))


def test_cases_have_words_history_label_and_weight(filled: Any, tmp_path: Path) -> None:
    found = made(filled, tmp_path)
    left = {case.customer.rstrip("k"): case for case in found.cases}
    assert set(left) == {"ada", "ben"}
    ada, ben = left["ada"], left["ben"]
    assert (ada.left, ada.treated, ben.left, ben.treated) == (1.0, False, 0.0, True)
    assert [m.role for m in ada.conversation.messages] == ["contact", "bot", "contact", "bot"]
    assert ada.seqs == (1, 2, 3, 4)
    assert len(ada.history.orders) == 1
    chance = next(row["probabilities"][2] for row in _decisions(found) if row["customer_key"] == ada.customer)
    assert ada.weight == pytest.approx((1 - chance) ** -2)
    assert found.sheet["left_out"] == {"conversations without a known inactive_90": 1}
    assert found.sheet["customers"] == 2


def test_what_names_a_person_does_not_reach_the_training_set(shop: Any, tmp_path: Path) -> None:
    contact_id, key = shop.customer("dora")
    _, decision = shop.talk(contact_id, key, ["write to dora@example.com", "我的手机号是13812345678"], START)
    shop.label(decision, 1.0, at=START + 90 * DAY, known=START + 93 * DAY)
    (case,) = made(shop, tmp_path).cases
    assert [m.text for m in case.conversation.messages if m.role == "contact"] == [
        "write to [email]",
        "我的手机号是[phone]",
    ]


def _decisions(found: files.Dataset) -> list[dict[str, Any]]:
    import json

    return [json.loads(line) for line in found.decisions.read_text(encoding="utf-8").splitlines()]


def test_the_log_in_it_is_read_like_an_export(filled: Any, tmp_path: Path) -> None:
    rows = read_log(made(filled, tmp_path).decisions, reward="stayed_90")
    assert sorted(row.reward for row in rows) == [0.0, 0.0, 1.0, 1.0]


def test_built_again_later_as_of_the_same_moment_it_is_the_same(filled: Any, tmp_path: Path) -> None:
    first = made(filled, tmp_path / "a")
    contact_id, key = filled.customer("dora")
    filled.talk(contact_id, key, ["later"], THEN + DAY)
    filled.order("ada", START - 10 * DAY, ingested=THEN + DAY)  # happened before, told after
    cleo = next(row for row in _decisions(first) if row["customer_key"].startswith("cleo"))
    filled.label(cleo["id"], 1.0, at=START + 150 * DAY, known=THEN + 40 * DAY)
    ada = next(row for row in reversed(_decisions(first)) if row["customer_key"].startswith("ada"))
    filled.label(ada["id"], 0.0, at=START + 90 * DAY, known=THEN + 2 * DAY, supersedes=ada["outcomes"][0]["id"])
    second = made(filled, tmp_path / "b")
    assert second.name == first.name
    for name in (files.DECISIONS, files.CASES, files.SHEET, files.CARD):
        assert (second.folder / name).read_bytes() == (first.folder / name).read_bytes()
    corrected = made(filled, tmp_path / "c", THEN + 50 * DAY)
    assert next(case.left for case in corrected.cases if case.customer.startswith("ada")) == 0.0
    assert len(corrected.cases) == 3


def test_labels_corrected_by_late_orders_are_in_the_next_set_and_not_in_the_old_one(
    filled: Any, tmp_path: Path
) -> None:
    first = made(filled, tmp_path / "a")
    filled.order("ada", START + 50 * DAY, ingested=THEN + DAY)  # within her window; the label had said that she left
    late = THEN + 2 * DAY
    filled.storage.write_sync(lambda c: mature(c, site_id=filled.site_id, now=late))
    again = made(filled, tmp_path / "b")
    assert again.name == first.name
    assert (again.folder / files.SHEET).read_bytes() == (first.folder / files.SHEET).read_bytes()
    left = {case.customer.rstrip("k"): case.left for case in made(filled, tmp_path / "c", late).cases}
    assert left["ada"] == 0.0


def test_what_became_of_an_order_counts_from_when_it_was_told(filled: Any, tmp_path: Path) -> None:
    row = OrderRow(
        order="N-1", customer="ada", date=START - 9 * DAY, total=Decimal(20), currency="EUR", status="placed"
    )
    told = Target(filled.site_id, b"secret", START - 9 * DAY)
    filled.storage.write_sync(lambda c: put_order(c, row, told))
    first = made(filled, tmp_path / "a")
    later = row.model_copy(update={"status": "cancelled", "delivered": START - DAY})
    filled.storage.write_sync(lambda c: put_order(c, later, replace(told, now=THEN + DAY)))
    assert made(filled, tmp_path / "b").name == first.name
    contact_id, key = filled.storage.read_sync(
        lambda c: c.execute(select(contact.c.id, contact.c.customer_key).where(contact.c.external_id == "ada")).one()
    )
    _, decision = filled.talk(contact_id, key, ["again"], THEN + 2 * DAY)
    filled.label(decision, 1.0, at=THEN + 92 * DAY, known=THEN + 95 * DAY)
    newest = max(made(filled, tmp_path / "c", THEN + 96 * DAY).cases, key=lambda case: case.ended_at)
    order = next(one for one in newest.history.orders if one.order_no == "N-1")
    assert (order.cancelled, order.delivered_at) == (True, START - DAY)


def test_history_ends_where_the_conversation_does(filled: Any, tmp_path: Path) -> None:
    filled.order("ada", START + 5 * DAY)
    filled.order("ada", START - DAY, ingested=START + DAY)  # not known when she wrote
    case = next(case for case in made(filled, tmp_path).cases if case.customer.startswith("ada"))
    assert len(case.history.orders) == 1


def test_a_changed_training_set_is_refused(filled: Any, tmp_path: Path) -> None:
    found = made(filled, tmp_path)
    content = (found.folder / files.CASES).read_text(encoding="utf-8")
    (found.folder / files.CASES).write_text(content.replace('"left":1.0', '"left":0.0'), encoding="utf-8")
    with pytest.raises(files.DataRefused, match="hash"):
        files.read(found.folder)
    with pytest.raises(files.DataRefused):
        files.read(tmp_path / "missing")


def test_nothing_known_is_an_empty_set_that_says_why(shop: Any, tmp_path: Path) -> None:
    contact_id, key = shop.customer("eve")
    shop.talk(contact_id, key, ["hello"], START)
    found = made(shop, tmp_path)
    assert found.cases == ()
    assert found.sheet["left_out"] == {"conversations without a known inactive_90": 1}


def test_who_works_on_it_does_not_show(filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        contact_id, key = filled.customer(f"more-{number}")
        _, decision = filled.talk(contact_id, key, ["hello", "I am leaving"], START + number * DAY)
        filled.label(decision, float(number % 2), at=START + 95 * DAY, known=START + 100 * DAY)
    monkeypatch.setattr("assistant.loop.build.SHARD", 3)  # 8 conversations: three shards
    seen: list[tuple[int, int]] = []
    here = build(
        filled.storage, tmp_path / "here", site_id=filled.site_id, as_of=THEN, horizon_days=90,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    pool = build(filled.storage, tmp_path / "pool", site_id=filled.site_id, as_of=THEN, horizon_days=90, place=Place(2))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert pool.name == here.name
    for name in (files.DECISIONS, files.CASES, files.OPEN, files.SHEET, files.CARD):
        assert (pool / name).read_bytes() == (here / name).read_bytes()
    monkeypatch.undo()
    assert made(filled, tmp_path / "whole").name == here.name  # nor does where it was cut


def test_conversations_whose_window_is_not_over_are_kept_without_a_label(filled: Any, tmp_path: Path) -> None:
    found = made(filled, tmp_path)
    (cleo,) = found.still_open()
    assert (cleo.customer.rstrip("k"), math.isnan(cleo.left), found.sheet["open"]) == ("cleo", True, 1)
    assert made(filled, tmp_path, START + 160 * DAY).still_open() == ()  # over, and never labelled
    filled.storage.write_sync(lambda c: c.execute(update(contact).values(verified=False)))
    assert made(filled, tmp_path / "b").still_open() == ()  # nobody's orders are known
