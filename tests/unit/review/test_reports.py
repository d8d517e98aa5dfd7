"""Reports say what the rows say, open to them, and leave empty what too few rows stand behind."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, update

from assistant.errors import BadInput, NotFound
from assistant.escalation import commands
from assistant.ids import new_id
from assistant.outcomes.store import record
from assistant.review import reports
from assistant.review.model_reports import psi
from assistant.review.search import Search, find
from assistant.review.tables import DAY_MS, Period, Table, period_of
from assistant.review.transcripts import NewReview, add_review
from assistant.storage.tables import conversation, decision, score, site, wallet_entry


def report(shop: Any, name: str, *, days: int = 30) -> Table:
    period = Period(shop.now - days * DAY_MS, shop.now + 1)
    return shop.read(reports.build, shop.site_id, name, period)


def lines(table: Table) -> list[dict[str, Any]]:
    names = [name for name, _ in table.columns]
    assert all(len(row) == len(names) for row in table.rows)
    assert len(table.drill) == len(table.rows)
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def mark(shop: Any, conv: str, **values: Any) -> str:
    shop.write(lambda c: c.execute(update(conversation).where(conversation.c.id == conv).values(**values)))
    return conv


def settled(shop: Any, agent: Any, disposition: str = "solved", *, wait_s: int = 10, reason: str = "high_risk") -> str:
    """A conversation that was escalated, taken, answered and resolved, each step `wait_s` after the one before."""
    conv = shop.talk("help")
    queued = shop.escalate(conv, reason=reason)
    shop.now += wait_s * 1000
    epoch = shop.write(commands.accept, agent, queued, None, now=shop.now).task.assign_epoch
    shop.now += wait_s * 1000
    shop.write(commands.send, agent, conv, cmid=str(uuid4()), body="Hi", assign_epoch=epoch, now=shop.now)
    shop.now += wait_s * 1000
    shop.write(commands.resolve, agent, conv, assign_epoch=epoch, disposition=disposition, comment="", now=shop.now)
    return conv


@pytest.mark.parametrize("name", sorted(reports.REPORTS))
def test_every_report_of_an_empty_shop_is_empty_of_guesses(shop: Any, name: str) -> None:
    for line in lines(report(shop, name)):
        figures = {key: value for key, value in line.items() if isinstance(value, int | float)}
        assert all(value == 0 for value in figures.values()), line


def test_volume_by_day_opens_to_its_conversations(shop: Any) -> None:
    anna = shop.hire(capacity=9)
    shop.now -= 3 * DAY_MS
    old = mark(shop, shop.talk("a", "b"), risk=0.4)
    shop.now += 3 * DAY_MS
    convs = [mark(shop, shop.talk("x"), csat=5 - n, risk=n / 10) for n in range(5)]
    handled = settled(shop, anna)
    mark(shop, convs[0], status="resolved")
    table = report(shop, "volume", days=5)
    found = {line["day"]: line for line in lines(table)}
    assert list(found) == sorted(found)
    busy = [line for line in found.values() if line["conversations"]]
    assert [(line["conversations"], line["turns"]) for line in busy] == [(1, 2), (6, 6)]
    assert (busy[1]["escalated"], busy[1]["resolved"], busy[1]["resolved_by_bot"]) == (1, 2, 1)
    assert (busy[1]["csat"], busy[0]["csat"]) == (3.0, None)
    drill = table.drill[[row[0] for row in table.rows].index(busy[1]["day"])]
    shown = shop.read(find, shop.site_id, Search(**drill), cursor=None, limit=50)
    assert {line["id"] for line in shown.conversations} == {*convs, handled}
    assert old not in {line["id"] for line in shown.conversations}


def test_days_are_those_of_the_shop_over_a_change_of_the_clock(shop: Any) -> None:
    shop.write(lambda c: c.execute(update(site).values(settings={"timezone": "Europe/Berlin"})))
    period = shop.read(period_of, shop.site_id, since=1_774_569_600_000, until=1_774_915_200_000, now=shop.now)
    days = period.days()  # 2026-03-27 .. 2026-03-31 UTC; summer time begins on the 29th
    hours = {day: (drill["until"] - drill["since"]) / 3_600_000 for day, drill in days}
    assert hours == {"2026-03-27": 23, "2026-03-28": 24, "2026-03-29": 23, "2026-03-30": 24, "2026-03-31": 2}
    assert days[0][1]["since"] == period.since
    assert days[-1][1]["until"] == period.until


def test_response_times_are_medians(shop: Any) -> None:
    anna = shop.hire(capacity=9)
    for wait_s in (1, 2, 3, 4, 60):
        settled(shop, anna, wait_s=wait_s)
    busy = [line for line in lines(report(shop, "response")) if line["tasks"]]
    assert busy == [
        {"day": busy[0]["day"], "tasks": 5, "wait": 3.0, "first_reply": 6.0, "handle": 6.0, "told_waiting": 0}
    ]


def test_escalations_by_reason_with_what_reviews_made_of_them(shop: Any) -> None:
    anna, boss = shop.hire(capacity=9), shop.hire(role="supervisor")
    convs = [settled(shop, anna, "solved" if n else "lost") for n in range(5)]
    shop.escalate(reason="loop")
    for number, conv in enumerate(convs):
        shop.write(add_review, boss, conv, NewReview("right" if number else "not_needed"), now=shop.now)
    first, second = lines(report(shop, "escalation"))
    assert (first["reason"], first["tasks"], first["taken"]) == ("high_risk", 5, 5)
    assert (first["saved_or_solved"], first["reviewed"], first["needed"]) == (0.8, 5, 0.8)
    assert (second["reason"], second["taken"], second["wait"], second["needed"]) == ("loop", 0, None, None)


def test_churn_by_reason_language_and_category(shop: Any) -> None:
    for number in range(5):
        conv = shop.talk("x", locale="zh-CN")
        mark(
            shop,
            conv,
            risk=0.1 + number / 5,
            band="high" if number == 4 else "low",
            reasons=[{"reason": "price", "probability": 0.6}, {"reason": "quality", "probability": 0.5}],
        )
        cards = {"products": [{"id": "k", "category": "kettles"}, {"id": "c", "category": "cups"}]}
        shop.say(conv, "look", "bot", kind="products", data=cards)
    shop.talk("unscored")
    by_reason = lines(report(shop, "churn-by-reason"))
    assert [(line["reason"], line["conversations"], round(line["churn"], 6), line["high"]) for line in by_reason] == [
        ("price", 5, 0.5, 0.2),
        ("quality", 5, 0.5, 0.2),
    ]
    assert [line["category"] for line in lines(report(shop, "churn-by-category"))] == ["cups", "kettles"]
    assert [(line["locale"], line["churn"]) for line in lines(report(shop, "churn-by-language"))] == [
        ("zh-CN", pytest.approx(0.5)),
        ("en", None),
    ]
    assert [line["conversations"] for line in lines(report(shop, "churn-by-channel"))] == [6]


def test_offers_with_their_acceptance(shop: Any) -> None:
    owner = shop.customer()
    for number in range(6):
        states = ("shown", "accepted") if number < 3 else ("shown", "declined") if number == 3 else ("shown",)
        for state in states:
            row = {
                "id": new_id(), "site_id": shop.site_id, "contact_id": owner, "decision_id": f"D{number}",
                "offer_id": "v10", "state": state, "amount": 900, "at": shop.now,
            }  # fmt: skip
            shop.write(lambda connection, row=row: connection.execute(insert(wallet_entry).values(**row)))
    (line,) = lines(report(shop, "offers"))
    assert (line["shown"], line["accepted"], line["declined"], line["spent"]) == (6, 3, 1, 2700)
    assert line["low"] < line["accept_rate"] == 0.5 < line["high"]


def test_the_agent_table(shop: Any) -> None:
    anna = shop.hire("Anna", capacity=9)
    shop.hire("Ben")
    for number in range(5):
        mark(shop, settled(shop, anna, "saved" if number else "refunded", wait_s=5), csat=4)
    first, second = lines(report(shop, "agents"))
    assert first == {
        "agent": "Anna",
        "taken": 5,
        "resolved": 5,
        "first_reply": 5.0,
        "handle": 10.0,
        "saved_or_solved": 0.8,
        "csat": 4.0,
        "suggestions_used": None,
        "scorecards": 0,
        "quality": None,
    }
    assert (second["agent"], second["taken"], second["csat"]) == ("Ben", 0, None)


def test_calibration_compares_with_those_who_were_left_alone(shop: Any) -> None:
    def judged(number: int, value: float, *, kind: str, away: bool) -> None:
        conv = shop.talk("x")
        made = shop.decide(conv, 1, kind, [])
        shop.write(lambda c: c.execute(update(decision).where(decision.c.id == made).values(score=value)))
        shop.write(
            record, site_id=shop.site_id, idempotency_key=f"{kind}-{number}", type="inactive_90", source="system",
            ts_event=shop.now, now=shop.now, decision_id=made, value=float(away),
        )  # fmt: skip

    for number in range(10):
        judged(number, 0.75, kind="reply:x", away=number < 7)
        judged(number, 0.75, kind="offer:v", away=False)
    line = next(line for line in lines(report(shop, "calibration")) if line["decisions"])
    assert (line["score"], line["decisions"], line["predicted"], line["observed"]) == ("0.7–0.8", 10, 0.75, 0.7)
    assert line["low"] < 0.7 < line["high"]


def test_drift_is_seen_when_scores_move(shop: Any) -> None:
    def scored(value: float | None, days_ago: int) -> None:
        conv = shop.talk("x")
        shop.decide(conv, 1, "none", [])
        row = {
            "id": new_id(), "conversation_id": conv, "seq": 1, "model_version": "m", "churn": value,
            "as_of": shop.now, "created_at": shop.now - days_ago * DAY_MS,
        }  # fmt: skip
        shop.write(lambda connection: connection.execute(insert(score).values(**row)))

    for number in range(60):
        scored(number % 10 / 10, 20)
        scored(number % 10 / 10, 13)
        scored(0.95 if number else None, 6)
    weeks = lines(report(shop, "drift", days=21))
    assert [line["scores"] for line in weeks] == [60, 60, 60, 0]
    assert weeks[0]["psi"] is None
    assert weeks[1]["psi"] == pytest.approx(0)
    assert weeks[2]["psi"] > 0.2
    assert weeks[2]["unavailable"] == pytest.approx(1 / 60)


def test_psi_of_a_sample_with_itself_is_zero() -> None:
    assert psi([0.1, 0.5, 0.9], [0.1, 0.5, 0.9]) == 0
    assert psi([0.1] * 50, [0.9] * 50) > 1


def test_bad_questions(shop: Any) -> None:
    with pytest.raises(NotFound):
        report(shop, "weather")
    for since, until in ((10, 10), (20, 10), (0, 400 * DAY_MS)):
        with pytest.raises(BadInput):
            shop.read(period_of, shop.site_id, since=since, until=until, now=shop.now)
    default = shop.read(period_of, shop.site_id, since=None, until=None, now=shop.now)
    assert (default.since, default.until) == (shop.now - 30 * DAY_MS, shop.now)


def test_another_shops_rows_are_in_no_report(shop: Any, other_shop: Any) -> None:
    other_shop.now = shop.now
    settled(other_shop, other_shop.hire("Canary"))
    for name in reports.REPORTS:
        for line in lines(report(shop, name)):
            assert "Canary" not in line.values()
            assert all(value == 0 for value in line.values() if isinstance(value, int | float))
