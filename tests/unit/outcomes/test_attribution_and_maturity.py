from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from assistant.conversations.store import open_conversation
from assistant.ids import new_id
from assistant.outcomes.attribution import outcomes_of
from assistant.outcomes.export import rows_of
from assistant.outcomes.maturity import Maturing, mature
from assistant.outcomes.money import major
from assistant.outcomes.store import record
from assistant.storage.tables import contact, order_return, orders, outcome

NOW = 1_795_000_000_000
DAY = 86_400_000


def put(made: Any, key: str, **changes: Any) -> str:
    given = {"site_id": made.site_id, "idempotency_key": key, "type": "purchase", "source": "shop", "ts_event": NOW + DAY,
             "now": NOW + 200 * DAY, "customer_key": made.key} | changes  # fmt: skip
    return str(made.write(lambda c: record(c, **given)))


def attributed(made: Any, *ids: str) -> dict[str, list[str]]:
    found = made.read(lambda c: outcomes_of(c, ids))
    return {decision_id: [row["idempotency_key"] for row in rows] for decision_id, rows in found.items()}


def move(made: Any, number: str, status: str) -> None:
    made.write(lambda c: c.execute(update(orders).where(orders.c.order_no == number).values(status=status)))


def holding(made: Any, days: float) -> dict[str, float]:
    """What holds after a pass: superseded rows left out."""
    grown(made, days)
    rows = made.read(lambda c: c.execute(select(outcome)).all())
    gone = {row.supersedes for row in rows}
    return {row.type: row.value for row in rows if row.id not in gone}


def order(made: Any, number: str, days: float, *, status: str = "delivered") -> None:
    at = int(NOW + days * DAY)
    made.write(
        lambda c: c.execute(
            insert(orders).values(
                id=new_id(), site_id=made.site_id, order_no=number, external_customer_id="C1", status=status, total=2500,
                currency="EUR", lines=[], ts_event=at, ts_ingested=at,
            )
        )
    )  # fmt: skip


@pytest.fixture
def known(made: Any) -> Any:
    """The customer is one whom the shop knows."""
    made.write(lambda c: c.execute(update(contact).values(external_id="C1", verified=True)))
    return made


def test_the_last_word_before_an_outcome_gets_it(made: Any) -> None:
    first, second = made.turn(), made.turn(ts_decision=NOW + 10 * DAY)
    put(made, "early", ts_event=NOW + 2 * DAY)
    put(made, "late", ts_event=NOW + 12 * DAY)
    put(made, "too late", ts_event=NOW + 41 * DAY)
    put(made, "before", ts_event=NOW - DAY)
    put(made, "named", decision_id=first, type="csat", value=5.0, ts_event=NOW + 11 * DAY)
    assert attributed(made, first, second) == {first: ["early", "named"], second: ["late"]}
    assert attributed(made, second) == {second: ["late"]}


def test_silence_earns_nothing(made: Any) -> None:
    spoke = made.turn()
    silent = made.turn(
        ts_decision=NOW + DAY // 2, eligible=["none"], probabilities=[1.0], values=[0.0], action="none", kind="none",
        propensity=1.0, overrides=["superseded"],
    )  # fmt: skip
    put(made, "bought")
    assert attributed(made, spoke, silent) == {spoke: ["bought"], silent: []}


def test_an_outcome_may_bring_its_own_window(made: Any) -> None:
    spoke = made.turn()
    put(made, "short", attribution_days=1, ts_event=NOW + 2 * DAY)
    put(made, "long", type="review", attribution_days=100, ts_event=NOW + 90 * DAY)
    put(made, "label", type="label", ts_event=NOW + DAY)
    assert attributed(made, spoke) == {spoke: ["long"]}


def test_other_customers_and_sites_stay_apart(made: Any) -> None:
    spoke = made.turn()
    put(made, "other", customer_key="somebody")
    assert attributed(made, spoke) == {spoke: []}


def test_the_joined_export_is_attributed(made: Any) -> None:
    made.turn()
    put(made, "bought", value=25.0)
    (row,) = made.read(lambda c: list(rows_of(c, what="both")))
    assert [o["value"] for o in row["outcomes"]] == [25.0]
    assert "belongs_to" not in row["outcomes"][0]


def grown(made: Any, days: float) -> dict[str, Any]:
    made.write(lambda c: mature(c, site_id=made.site_id, now=int(NOW + days * DAY)))
    rows = made.read(lambda c: c.execute(select(outcome)).all())
    return {row.idempotency_key.partition(":")[0] + ":" + row.type: row.value for row in rows}


def test_imported_orders_and_returns_become_outcomes_once(known: Any) -> None:
    known.turn()
    order(known, "A-0", -5)  # before anybody spoke
    order(known, "A-1", 2)
    order(known, "A-2", 3, status="cancelled")
    known.write(
        lambda c: c.execute(
            insert(order_return).values(
                id=new_id(), site_id=known.site_id, return_no="R-1", order_no="A-1", external_customer_id="C1",
                reason="fit", amount=1000, ts_event=NOW + 4 * DAY, ts_ingested=NOW + 4 * DAY,
            )
        )
    )  # fmt: skip
    assert grown(known, 5) == {"order:purchase": 25.0, "return:refund": 10.0}
    assert grown(known, 6) == grown(known, 7)


def test_staying_away_is_known_only_after_window_and_lag(known: Any) -> None:
    first = known.turn()
    last = known.turn()
    assert grown(known, 32.9) == {}
    assert grown(known, 33) == {"inactive_30:inactive_30": 1.0}
    order(known, "A-1", 50)
    found = grown(known, 93)
    assert found["inactive_30:inactive_30"] == 1.0
    assert found["inactive_60:inactive_60"] == 0.0
    assert found["inactive_90:inactive_90"] == 0.0
    rows = known.read(lambda c: c.execute(select(outcome).where(outcome.c.type == "inactive_90")).all())
    assert [(row.decision_id, row.matures_at) for row in rows] == [(last, NOW + 93 * DAY)]
    assert first not in {row.decision_id for row in rows}


def test_an_order_told_late_corrects_the_label_and_its_cancellation_does_again(known: Any) -> None:
    decision_id = known.turn()
    assert holding(known, 94)["inactive_90"] == 1.0
    order(known, "A-1", 80)  # was not in the shop's export until now
    assert holding(known, 95) == {"inactive_30": 1.0, "inactive_60": 1.0, "inactive_90": 0.0, "purchase": 25.0}
    move(known, "A-1", "cancelled")
    assert holding(known, 96) == {"inactive_30": 1.0, "inactive_60": 1.0, "inactive_90": 1.0, "purchase": 0.0}
    assert holding(known, 97) == holding(known, 96)
    rows = known.read(lambda c: c.execute(select(outcome).where(outcome.c.type == "inactive_90")).all())
    assert [(row.value, row.label.get("why")) for row in sorted(rows, key=lambda row: row.ts_ingested)] == [
        (1.0, None), (0.0, "order_told_late"), (1.0, "order_cancelled"),
    ]  # fmt: skip
    assert {row.decision_id for row in rows} == {decision_id}
    assert {(row.ts_event, row.matures_at) for row in rows} == {(NOW + 90 * DAY, NOW + 93 * DAY)}


def test_a_label_is_corrected_for_half_a_year_and_never_over_a_persons_word(known: Any) -> None:
    decision_id = known.turn()
    grown(known, 94)
    rows = known.read(lambda c: c.execute(select(outcome).where(outcome.c.type == "inactive_60")).all())
    put(known, "by hand", type="inactive_60", value=1.0, decision_id=decision_id, customer_key=None,
        ts_event=NOW + 60 * DAY, supersedes=rows[0].id, source="supervisor")  # fmt: skip
    order(known, "A-1", 20)
    assert holding(known, 63 + 180.1) == {"inactive_30": 1.0, "inactive_60": 1.0, "inactive_90": 0.0, "purchase": 25.0}


def test_corrections_come_in_batches_too(known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.outcomes.corrections.BATCH", 2)
    monkeypatch.setattr("assistant.outcomes.maturity.BATCH", 2)
    who = known.read(lambda c: c.execute(select(contact.c.id)).scalar_one())
    for n in range(3):
        another = known.write(partial(open_conversation, site_id=known.site_id, contact_id=who, locale="en", now=NOW))
        replace(known, conversation_id=another).turn(ts_decision=NOW + n)
    for _ in range(3):
        grown(known, 34)
    order(known, "A-1", 10)
    order(known, "A-2", 11)
    done = [known.write(lambda c: mature(c, site_id=known.site_id, now=NOW + 35 * DAY)) for _ in range(3)]
    assert [(one.corrected, one.more) for one in done] == [(2, True), (1, False), (0, False)]


def test_of_guests_nothing_is_known(made: Any) -> None:
    made.turn()
    assert grown(made, 200) == {}


def test_a_label_is_never_ahead_of_its_time(known: Any) -> None:
    """Replayed with delays: calling everybody without an order lost is biased early, the matured label is not."""
    known.turn()
    order(known, "A-1", 80)
    naive_day_40 = not known.read(
        lambda c: c.execute(
            select(orders.c.id).where(orders.c.ts_event > NOW, orders.c.ts_event <= NOW + 40 * DAY)
        ).all()
    )
    assert naive_day_40  # would have been called lost
    assert "inactive_90:inactive_90" not in grown(known, 40)
    assert grown(known, 93)["inactive_90:inactive_90"] == 0.0


def test_a_full_batch_asks_to_be_called_again(known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.outcomes.maturity.BATCH", 2)
    known.turn()
    for n in range(3):
        order(known, f"A-{n}", n + 1)
    first = known.write(lambda c: mature(c, site_id=known.site_id, now=NOW + 9 * DAY))
    second = known.write(lambda c: mature(c, site_id=known.site_id, now=NOW + 9 * DAY))
    assert (first.purchases, first.more, second.purchases, second.more) == (2, True, 1, False)


def test_minor_units() -> None:
    assert (major(1250, "EUR"), major(300, "JPY")) == (12.5, 300.0)


async def test_a_running_server_brings_every_site_up_to_date(known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.outcomes.maturity.BATCH", 2)
    known.turn()
    for n in range(5):
        order(known, f"A-{n}", n + 1)
    maturing = Maturing(known.storage, lambda: NOW + 10 * DAY)
    assert await maturing.once() == 5
    assert await maturing.once() == 0
