"""Finding transcripts by words and filters, in both languages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update

from assistant.errors import BadInput
from assistant.escalation import commands
from assistant.ids import new_id
from assistant.outcomes.store import record
from assistant.review import scorecards
from assistant.review.search import Search, find
from assistant.review.transcripts import NewReview, add_review
from assistant.storage.tables import conversation, outcome, score


def ids(shop: Any, limit: int = 50, **values: Any) -> list[str]:
    page = shop.read(find, shop.site_id, Search(**values), cursor=None, limit=limit)
    assert page.total >= len(page.conversations)
    return [line["id"] for line in page.conversations]


def mark(shop: Any, conv: str, **values: Any) -> str:
    shop.write(
        lambda connection: connection.execute(update(conversation).where(conversation.c.id == conv).values(**values))
    )
    return conv


def test_words_are_found_in_chinese_and_english_whatever_their_case(shop: Any) -> None:
    kettle = shop.talk("The KETTLE leaks", "and the base is wet")
    chinese = shop.talk("我买的水壶漏水了，要退货")
    assert ids(shop, words="kettle") == [kettle]
    assert ids(shop, words="Kettle wet") == [kettle], "words of different messages"
    assert ids(shop, words="水壶") == [chinese]
    assert ids(shop, words="漏水 退货") == [chinese]
    assert ids(shop, words="漏水 kettle") == []
    assert set(ids(shop, words="")) == {kettle, chinese}


def test_the_contact_is_found_by_name_and_number(shop: Any) -> None:
    conv = shop.talk("hi", contact_id=shop.customer("王丽", external_id="C-77"))
    shop.talk("hi")
    assert ids(shop, words="王丽") == ids(shop, words="C-77") == [conv]


@pytest.mark.parametrize("words", ["%", "_", "100%", "a_b", "' OR 1=1 --", '"', "NEAR(a b)", "*", "\\", "-x"])
def test_operators_are_words(shop: Any, words: str) -> None:
    shop.talk("nothing of that kind here")
    hit = shop.talk(f"before {words} after")
    assert ids(shop, words=words) == [hit]


def test_filters(shop: Any) -> None:
    anna = shop.hire("Anna")
    plain = shop.talk("x", locale="en")
    risky = mark(
        shop, shop.talk("x", locale="zh-CN"), band="high", risk=0.9, reasons=[{"reason": "quality", "probability": 0.7}]
    )
    priced = mark(shop, shop.talk("x"), reasons=["price"], band="low", risk=0.1)
    held, epoch = shop.assigned(anna)
    shop.write(commands.resolve, anna, held, assign_epoch=epoch, disposition="saved", comment="", now=shop.now)
    assert ids(shop, band="high") == [risky]
    assert ids(shop, reason="quality") == [risky]
    assert ids(shop, reason="price") == [priced]
    assert ids(shop, reason="pric") == []
    assert ids(shop, status="resolved") == ids(shop, agent=anna.id) == ids(shop, disposition="saved") == [held]
    assert ids(shop, locale="zh") == ids(shop, locale="zh-CN") == [risky]
    assert set(ids(shop, locale="en")) == {plain, priced, held}
    assert ids(shop, since=shop.now + 1) == ids(shop, until=shop.now) == []
    assert ids(shop, contact=shop.conversation(plain)["contact_id"]) == [plain]


def test_outcomes_of_a_conversation_and_of_its_decisions(shop: Any) -> None:
    bought, left, stayed, plain = (shop.talk("x") for _ in range(4))

    def came(conv: str, kind: str, value: float, **about: Any) -> None:
        values = {"site_id": shop.site_id, "idempotency_key": new_id(), "ts_event": shop.now, "now": shop.now, **about}
        shop.write(record, type=kind, source="system", value=value, **values)

    came(bought, "purchase", 4200.0, conversation_id=bought)
    for conv, value in ((left, 1.0), (stayed, 0.0)):
        came(conv, "inactive_90", value, decision_id=shop.decide(conv, 1, "reply:a", []))
    # As rows are that time has brought: they name the decision alone.
    shop.write(lambda c: c.execute(update(outcome).where(outcome.c.type == "inactive_90").values(conversation_id=None)))
    assert ids(shop, outcome="purchase") == [bought]
    assert ids(shop, outcome="inactive_90") == [left]
    assert ids(shop, outcome="refund") == []
    assert len(ids(shop)) == 4
    assert plain in ids(shop)


def test_what_nobody_has_judged_yet(shop: Any) -> None:
    boss = shop.hire("Sam", role="supervisor")
    judged, marked, plain = (shop.talk("x") for _ in range(3))
    shop.write(add_review, boss, judged, NewReview("right"), now=shop.now)
    shop.write(scorecards.add, boss, marked, scorecards.NewCard({"tone": 3}), now=shop.now)
    assert ids(shop, reviewed=False) == [plain]
    assert set(ids(shop, reviewed=True)) == {judged, marked}


def test_sorting_by_time_risk_and_uncertainty(shop: Any) -> None:
    convs = []
    for risk, width in ((0.5, 0.4), (0.9, 0.1), (0.1, 0.2)):
        shop.now += 1000
        conv = mark(shop, shop.talk("x"), risk=risk)
        shop.write(
            lambda connection, conv=conv, risk=risk, width=width: connection.execute(
                insert(score).values(
                    id=new_id(), conversation_id=conv, seq=1, model_version="m", churn=risk, low=0.0, high=width,
                    as_of=shop.now, created_at=shop.now,
                )
            )
        )  # fmt: skip
        convs.append(conv)
    first, second, third = convs
    assert ids(shop) == [third, second, first]
    assert ids(shop, sort="risk") == [second, first, third]
    assert ids(shop, sort="uncertain") == [first, third, second]


@pytest.mark.parametrize("sort", ["recent", "risk", "uncertain"])
def test_pages_join_without_gap_or_double(shop: Any, sort: Any) -> None:
    made = {mark(shop, shop.talk("x"), risk=number % 3 / 10) for number in range(11)}
    seen: list[str] = []
    cursor = None
    while True:
        page = shop.read(find, shop.site_id, Search(sort=sort), cursor=cursor, limit=4)
        seen += [line["id"] for line in page.conversations]
        assert page.total == 11
        cursor = page.next
        if cursor is None:
            break
    assert len(seen) == 11
    assert set(seen) == made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40))
def test_a_made_up_cursor_is_refused(shop: Any, cursor: str) -> None:
    with pytest.raises(BadInput) as error:
        shop.read(find, shop.site_id, Search(), cursor=cursor, limit=4)
    assert error.value.reason == "bad_cursor"


def test_too_many_words_are_refused(shop: Any) -> None:
    with pytest.raises(BadInput):
        ids(shop, words="a b c d e f g h i")


def test_a_line_says_what_the_list_shows(shop: Any) -> None:
    anna = shop.hire("Anna")
    conv, epoch = shop.assigned(anna, shop.talk("one", "two"))
    shop.write(commands.resolve, anna, conv, assign_epoch=epoch, disposition="lost", comment="", now=shop.now)
    mark(shop, conv, risk=0.8, band="high", csat=2, reasons=[{"reason": "price", "probability": 0.9}])
    line = shop.read(find, shop.site_id, Search(), cursor=None, limit=1).conversations[0]
    assert line == {
        "id": conv,
        "name": "Jonas",
        "verified": False,
        "locale": "en",
        "created_at": shop.now,
        "updated_at": shop.now,
        "status": "resolved",
        "band": "high",
        "risk": 0.8,
        "reasons": ["price"],
        "turns": 2,
        "agent": "Anna",
        "csat": 2,
        "disposition": "lost",
        "escalated": True,
        "action_last": None,
        "preview": "two",
        "match": None,
    }


def test_a_line_shows_where_the_words_stand(shop: Any) -> None:
    conv = shop.talk("Guten Tag", "The kettle " + "really " * 40 + "LEAKS badly", "ok")
    named = shop.talk("nothing of it", contact_id=shop.customer("Leaks Lee"))
    lines = shop.read(find, shop.site_id, Search(words="leaks"), cursor=None, limit=9).conversations
    matches = {line["id"]: line["match"] for line in lines}
    assert matches[conv]["seq"] == 2
    assert "LEAKS badly" in matches[conv]["text"]
    assert matches[conv]["text"].startswith("…")
    assert len(matches[conv]["text"]) < 160
    assert matches[named] is None, "found by name"
    (both,) = shop.read(find, shop.site_id, Search(words="jonas kettle"), cursor=None, limit=9).conversations
    assert both["match"]["text"].startswith("The kettle")


def test_another_shops_conversations_are_never_found(shop: Any, other_shop: Any) -> None:
    other_shop.talk("canary-7f3a")
    assert ids(shop, words="canary-7f3a") == ids(shop) == []
