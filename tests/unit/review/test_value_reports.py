"""What the assistant is worth: retention by month against the holdout, and the uplift of offers from logged probabilities."""

from __future__ import annotations

import random
from typing import Any

import pytest
from sqlalchemy import insert, update

from assistant.ids import new_id
from assistant.outcomes.store import record
from assistant.review import reports
from assistant.review.summary import retention as figure
from assistant.review.tables import DAY_MS, Period
from assistant.review.value_reports import weighted_difference
from assistant.storage.tables import conversation, decision, wallet_entry


def lines(shop: Any, name: str, *, days: int = 120) -> list[dict[str, Any]]:
    table = shop.read(reports.build, shop.site_id, name, Period(shop.now - days * DAY_MS, shop.now + 1))
    return [dict(zip([column for column, _ in table.columns], row, strict=True)) for row in table.rows]


def decided(shop: Any, action: str, **values: Any) -> str:
    made = shop.decide(shop.talk("x"), 1, action, [])
    shop.write(lambda c: c.execute(update(decision).where(decision.c.id == made).values(**values)))
    return str(made)


def mark(shop: Any, conv: str, **values: Any) -> None:
    shop.write(lambda c: c.execute(update(conversation).where(conversation.c.id == conv).values(**values)))


def test_retention_by_month_and_over_all(shop: Any) -> None:
    today = shop.now
    for days_ago, again_of_10 in ((80, 8), (45, 4), (5, 9)):
        shop.now = today - days_ago * DAY_MS
        for number in range(120):
            held_out = number % 3 == 0
            name = f"{days_ago}-{number}"
            shop.customer(name, external_id=name)
            decided(shop, "reply:a", customer_key=name, holdout=held_out, ts_decision=shop.now)
            if number % 10 < (2 if held_out else again_of_10):
                shop.write(
                    record, site_id=shop.site_id, idempotency_key=name, type="purchase", source="shop", value=10.0,
                    ts_event=shop.now + DAY_MS, now=shop.now + DAY_MS, customer_key=name,
                )  # fmt: skip
    shop.now = today
    every, first, second = lines(shop, "retention")
    assert every["month"] == "all"
    assert first["month"] < second["month"]
    assert (first["treated"], first["treated_again"], first["held_out"]) == (80, 0.8, 40)
    assert first["low"] < first["lead"] < first["high"]
    assert first["lead"] == pytest.approx(100 * (0.8 - first["held_out_again"]))
    assert every["treated"] == 160, "those whose 30 days are not over are left out"
    now = shop.read(figure, shop.site_id, now=today)
    assert now is not None
    assert (every["lead"], every["low"], every["high"]) == pytest.approx((now["lift_pt"], now["low"], now["high"]))


def test_few_customers_make_no_lead(shop: Any) -> None:
    shop.now -= 60 * DAY_MS
    for number in range(40):
        decided(shop, "reply:a", customer_key=f"k{number}", holdout=number < 20, ts_decision=shop.now)
    shop.now += 60 * DAY_MS
    every, _ = lines(shop, "retention")
    assert (every["treated"], every["held_out"], every["lead"]) == (20, 20, None)
    assert every["treated_again"] == 0.0


def test_the_uplift_of_an_offer_is_what_it_changes_not_whom_it_met(shop: Any) -> None:
    """Those who would stay anyway get the offer more often: the plain difference is far off, the weighted one is not."""
    draws = random.Random(3)
    owner = shop.customer()
    row = {
        "id": new_id(), "site_id": shop.site_id, "contact_id": owner, "decision_id": "D", "offer_id": "v10",
        "state": "shown", "amount": 900, "at": shop.now,
    }  # fmt: skip
    shop.write(lambda connection: connection.execute(insert(wallet_entry).values(**row)))
    made: list[tuple[bool, float]] = []
    for number in range(400):
        loyal = number % 2 == 0
        p = 0.8 if loyal else 0.2
        offered = draws.random() < p
        stays = draws.random() < (0.8 if loyal else 0.2) + (0.1 if offered else 0.0)
        made.append((offered, float(stays)))
        found = decided(
            shop, "offer:v10" if offered else "reply:a", eligible=["reply:a", "offer:v10"], probabilities=[1 - p, p]
        )
        shop.write(
            record, site_id=shop.site_id, idempotency_key=f"i{number}", type="inactive_30", source="system",
            value=0.0 if stays else 1.0, ts_event=shop.now, now=shop.now, decision_id=found,
        )  # fmt: skip
    (line,) = lines(shop, "offers")
    plain = sum(y for got, y in made if got) / sum(got for got, _ in made) - sum(y for got, y in made if not got) / sum(
        not got for got, _ in made
    )
    assert plain > 0.3
    assert line["judged"] == 400
    assert line["uplift_low"] < 10 < line["uplift_high"]
    assert abs(line["uplift"] - 10) < 12


def test_forced_decisions_and_corrected_outcomes_do_not_judge(shop: Any) -> None:
    owner = shop.customer()
    row = {
        "id": new_id(), "site_id": shop.site_id, "contact_id": owner, "decision_id": "D", "offer_id": "v10",
        "state": "shown", "amount": 900, "at": shop.now,
    }  # fmt: skip
    shop.write(lambda connection: connection.execute(insert(wallet_entry).values(**row)))

    def known(key: str, made: str, value: float, **values: Any) -> str:
        return str(
            shop.write(
                record, site_id=shop.site_id, idempotency_key=key, type="inactive_30", source="system", value=value,
                ts_event=shop.now, now=shop.now, decision_id=made, **values,
            )
        )  # fmt: skip

    forced = decided(shop, "offer:v10", eligible=["offer:v10"], probabilities=[1.0], overrides=["by_rule"])
    known("a", forced, 0.0)
    drawn = decided(shop, "reply:a", eligible=["reply:a", "offer:v10"], probabilities=[0.5, 0.5])
    known("c", drawn, 0.0, supersedes=known("b", drawn, 1.0))
    (line,) = lines(shop, "offers")
    assert (line["judged"], line["uplift"]) == (1, None)


def test_a_weighted_difference_of_equal_weights_is_the_plain_one() -> None:
    a, b = [(2.0, 1.0)] * 30 + [(2.0, 0.0)] * 10, [(5.0, 1.0)] * 10 + [(5.0, 0.0)] * 30
    found = weighted_difference(a, b)
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert found.low < 0.5 < found.high
    assert weighted_difference(a, b[:29]) is None


def test_ratings_by_day_with_and_without_a_person(shop: Any) -> None:
    for number in range(10):
        conv = shop.talk("x")
        if number < 5:
            shop.escalate(conv)
        rating = 1 if number == 0 else 5 if number < 5 else 4
        mark(shop, conv, csat=rating)
    (day,) = [line for line in lines(shop, "csat", days=5) if line["ratings"]]
    assert (day["ratings"], day["csat_bot"], day["csat_agent"], day["unhappy"]) == (10, 4.0, 4.2, 0.1)


def test_churn_beside_that_of_the_period_before(shop: Any) -> None:
    def talks(risk: float) -> None:
        for _ in range(5):
            conv = shop.talk("x", locale="zh")
            mark(shop, conv, risk=risk)

    shop.now -= 10 * DAY_MS
    talks(0.3)
    shop.now += 10 * DAY_MS
    talks(0.5)
    (line,) = lines(shop, "churn-by-language", days=7)
    assert (line["conversations"], line["churn"], line["churn_before"]) == (5, 0.5, 0.3)
    assert line["change"] == pytest.approx(0.2)
