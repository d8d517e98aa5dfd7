"""The supervisor's figures come from rows, and are null where rows are too few."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import insert, update

from assistant.conversations.store import NewEvent, append
from assistant.escalation import commands
from assistant.ids import new_id
from assistant.outcomes.store import record
from assistant.review.summary import WEEK_MS, summarise
from assistant.review.value_reports import WINDOW_MS
from assistant.storage.tables import conversation, decision, wallet_entry

DAY = 86_400_000


def summary(shop: Any) -> dict[str, Any]:
    return shop.read(summarise, shop.site_id, now=shop.now)


def test_a_new_shop_has_no_figures_to_show(shop: Any) -> None:
    found = summary(shop)
    assert found["retention"] is None
    assert found["first_response_s"] == {"bot": None, "agent": None}
    assert found["csat"] is found["longest_wait_s"] is None
    assert (found["high_risk_now"], found["waiting"], found["conversations"], found["escalations"]) == (0, 0, 0, 0)
    assert found["offers"] == {"spent": 0, "budget": 200_000, "currency": "EUR"}
    assert len(found["churn_weekly"]) == 12
    assert all(week["churn"] is None and week["n"] == 0 for week in found["churn_weekly"])


def test_what_waits_and_what_is_at_risk(shop: Any) -> None:
    for _ in range(2):
        shop.now += 60_000
        conv = shop.talk("x")
        shop.escalate(conv)
        shop.write(
            lambda c, conv=conv: c.execute(update(conversation).where(conversation.c.id == conv).values(band="high"))
        )
    shop.now += 90_000
    found = summary(shop)
    assert (found["waiting"], found["longest_wait_s"], found["high_risk_now"]) == (2, 150, 2)
    assert (found["conversations"], found["escalations"]) == (2, 2)


def test_first_responses_are_medians_of_at_least_five(shop: Any) -> None:
    agent = shop.hire(capacity=20)
    for wait_s in (1, 2, 3, 4, 100):
        conv = shop.talk("hello")
        shop.write(append, conv, NewEvent("bot", "message", body="Hi", reply_to=1), now=shop.now + wait_s * 1000)
        queued = shop.escalate(conv)
        epoch = shop.write(commands.accept, agent, queued, None, now=shop.now).task.assign_epoch
        said = {"cmid": str(uuid4()), "body": "I am a person", "assign_epoch": epoch}
        if wait_s == 100:
            assert summary(shop)["first_response_s"] == {"bot": 3.0, "agent": None}
        shop.write(commands.send, agent, conv, **said, now=shop.now + wait_s * 2000)
    assert summary(shop)["first_response_s"] == {"bot": 3.0, "agent": 6.0}


def test_offers_shown_count_as_spent_until_declined(shop: Any) -> None:
    owner = shop.customer()
    for state, offer, amount in (("shown", "a", 500), ("shown", "b", 700), ("declined", "b", 700)):
        shop.now += 1
        row = {
            "id": new_id(), "site_id": shop.site_id, "contact_id": owner, "decision_id": f"D-{offer}",
            "offer_id": offer, "state": state, "amount": amount, "at": shop.now,
        }  # fmt: skip
        shop.write(lambda connection, row=row: connection.execute(insert(wallet_entry).values(**row)))
    assert summary(shop)["offers"]["spent"] == 500


def test_weekly_churn_is_the_mean_of_last_scores(shop: Any) -> None:
    end = shop.now
    for number in range(6):
        conv = shop.talk("x")
        shop.write(
            lambda c, conv=conv, number=number: c.execute(
                update(conversation)
                .where(conversation.c.id == conv)
                .values(risk=0.2 + number / 10, created_at=end - WEEK_MS - 1000)
            )
        )
    weeks = summary(shop)["churn_weekly"]
    assert (round(weeks[-2]["churn"], 6), weeks[-2]["n"]) == (0.45, 6)
    assert weeks[-1] == {"week": end - WEEK_MS, "churn": None, "n": 0}


def enrol(shop: Any, *, held_out: bool, again: bool, reported: bool, at: int) -> None:
    """A customer with a decision at `at`, who bought again or not."""
    number = new_id()
    person = shop.customer(external_id=number)
    conv = shop.talk("x", contact_id=person)
    key = f"key-{person}"
    shop.write(
        lambda connection: connection.execute(
            insert(decision).values(
                id=new_id(), site_id=shop.site_id, conversation_id=conv, seq=1, customer_key=key, ts_decision=at,
                channel="web", locale="en", as_of=at, action="none", kind="none", propensity=1.0, floor=0.02, seed="s",
                latency_ms=1.0, holdout=held_out,
            )
        )
    )  # fmt: skip
    if again and reported:
        shop.write(
            record, site_id=shop.site_id, idempotency_key=number, type="purchase", source="shop", ts_event=at + DAY,
            now=shop.now, customer_key=key,
        )  # fmt: skip
    elif again:
        shop.order(number, 1000, days_ago=(shop.now - at) // DAY - 3)


def test_retention_compares_the_treated_with_the_holdout_once_the_window_is_over(shop: Any) -> None:
    old, young = shop.now - 60 * DAY, shop.now - WINDOW_MS
    for number in range(40):
        enrol(shop, held_out=False, again=number % 4 != 0, reported=number % 2 == 0, at=old)
        enrol(shop, held_out=True, again=number % 2 == 0, reported=number % 4 == 0, at=old)
        if number == 28:
            assert summary(shop)["retention"] is None, "29 a group are too few"
    for _ in range(10):
        enrol(shop, held_out=False, again=False, reported=False, at=young)
    found = summary(shop)["retention"]
    assert found["n"] == 80, "whose window is not over does not count"
    assert round(found["lift_pt"], 6) == 25.0
    assert found["low"] < 25 < found["high"]


def test_another_shops_rows_do_not_count(shop: Any, other_shop: Any) -> None:
    other_shop.escalate()
    assert summary(shop)["waiting"] == summary(shop)["conversations"] == 0
