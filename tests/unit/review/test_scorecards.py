"""Scorecards: points by the shop's own criteria, kept as they were, counted once, in the log and in the agents' report."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from assistant.erasure.erase import erase_conversation
from assistant.errors import BadInput, Forbidden
from assistant.escalation import commands
from assistant.outcomes.export import rows_of
from assistant.review import reports, scorecards
from assistant.review.scorecards import DEFAULT, Criterion, NewCard
from assistant.review.tables import DAY_MS, Period
from assistant.storage.tables import audit, outcome, scorecard

ALL = {one.id: one.most for one in DEFAULT}


@pytest.fixture
def boss(shop: Any) -> Any:
    return shop.hire("Sam", role="supervisor")


def answered(shop: Any, agent: Any) -> str:
    """A conversation in which the agent has written."""
    conv, epoch = shop.assigned(agent)
    shop.write(commands.send, agent, conv, cmid=str(uuid4()), body="Hi", assign_epoch=epoch, now=shop.now)
    return conv


def give(shop: Any, boss: Any, conv: str, points: dict[str, int | None], **values: Any) -> float:
    return shop.write(scorecards.add, boss, conv, NewCard(points, **values), now=shop.now)[1]


def quality(shop: Any) -> dict[str, tuple[int, float | None]]:
    """(scorecards, quality) by agent, from the report."""
    table = shop.read(reports.build, shop.site_id, "agents", Period(shop.now - DAY_MS, shop.now + 1))
    names = [name for name, _ in table.columns]
    return {row[0]: (row[names.index("scorecards")], row[names.index("quality")]) for row in table.rows}


def test_a_card_is_kept_logged_and_shown(shop: Any, boss: Any) -> None:
    anna = shop.hire("Anna")
    conv = answered(shop, anna)
    share = give(shop, boss, conv, {"tone": 3, "answer": 1, "retention": None}, comment="Kind, but wrong.")
    assert share == 4 / 8
    (card,) = shop.read(scorecards.cards_of, conv)
    assert (card["by"], card["agent"], card["share"], card["comment"]) == ("Sam", "Anna", 0.5, "Kind, but wrong.")
    assert [(mark["id"], mark["points"], mark["most"]) for mark in card["marks"]] == [("tone", 3, 3), ("answer", 1, 5)]
    assert card["counts"]
    (row,) = shop.rows(select(outcome).where(outcome.c.type == "scorecard"))
    assert (row["value"], row["source"], row["conversation_id"]) == (0.5, "supervisor", conv)
    assert row["label"] == {"by": boss.id, "agent": anna.id, "marks": {"tone": [3, 3], "answer": [1, 5]}}
    exported = shop.read(lambda connection: list(rows_of(connection, what="outcomes", site_id=shop.site_id)))
    assert "scorecard" in {one["type"] for one in exported}
    (trail,) = shop.rows(select(audit).where(audit.c.action == "scorecard"))
    assert (trail["actor"], trail["object"]) == (boss.sender, conv)


def test_of_one_reviewers_cards_the_newest_counts(shop: Any, boss: Any) -> None:
    anna, other = shop.hire("Anna", capacity=9), shop.hire("Ada", role="admin")
    convs = [answered(shop, anna) for _ in range(5)]
    for conv in convs:
        give(shop, boss, conv, {"tone": 0})
        shop.now += 1
        give(shop, boss, conv, {"tone": 3})
    assert quality(shop)["Anna"] == (5, 1.0)
    give(shop, other, convs[0], {"tone": 0})
    assert quality(shop)["Anna"] == (6, 5 / 6)
    assert [card["counts"] for card in shop.read(scorecards.cards_of, convs[0])] == [False, True, True]
    assert quality(shop)["Ada"] == (0, None)


def test_few_cards_make_no_average(shop: Any, boss: Any) -> None:
    anna = shop.hire("Anna")
    give(shop, boss, answered(shop, anna), ALL)
    assert quality(shop)["Anna"] == (1, None)


def test_whose_work_it_is(shop: Any, boss: Any) -> None:
    anna, ben = shop.hire("Anna"), shop.hire("Ben")
    conv = answered(shop, anna)
    shop.say(conv, "and I", sender=ben.sender)
    assert [one["name"] for one in shop.read(scorecards.speakers, conv)] == ["Ben", "Anna"]
    give(shop, boss, conv, ALL)
    give(shop, boss, conv, ALL, agent_id=anna.id)
    alone = shop.talk("hi")
    give(shop, boss, alone, ALL)
    assert [card["agent"] for card in shop.read(scorecards.cards_of, conv)] == ["Ben", "Anna"]
    assert [card["agent"] for card in shop.read(scorecards.cards_of, alone)] == [None]
    with pytest.raises(BadInput) as refused:
        give(shop, boss, alone, ALL, agent_id=anna.id)
    assert refused.value.reason == "unknown_agent"


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        ({"tone": 4}, "bad_points"),
        ({"tone": -1}, "bad_points"),
        ({"charm": 1}, "unknown_criterion"),
        ({"tone": None}, "no_points"),
        ({}, "no_points"),
    ],
)
def test_cards_that_are_none(shop: Any, boss: Any, points: dict[str, int | None], reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        give(shop, boss, shop.talk("hi"), points)
    assert refused.value.reason == reason
    assert shop.rows(select(scorecard)) == []


def test_another_shops_conversation_is_not_judged(shop: Any, other_shop: Any, boss: Any) -> None:
    with pytest.raises(Forbidden):
        give(shop, boss, other_shop.talk("hi"), ALL)


def test_a_shop_sets_its_own_criteria_and_old_cards_stay_readable(shop: Any, boss: Any, other_shop: Any) -> None:
    conv = shop.talk("hi")
    give(shop, boss, conv, ALL)
    own = [Criterion("speed", {"en": "Quick", "zh": "快"}, 4)]
    shop.write(scorecards.set_criteria, boss, own, now=shop.now)
    assert shop.read(scorecards.criteria_of, shop.site_id) == tuple(own)
    assert shop.read(scorecards.criteria_of, other_shop.site_id) == DEFAULT
    give(shop, boss, conv, {"speed": 1})
    old, new = shop.read(scorecards.cards_of, conv)
    assert old["marks"][0]["title"]["zh"] == "听懂了问题"
    assert new["share"] == 0.25
    shop.write(scorecards.set_criteria, boss, [], now=shop.now)
    assert shop.read(scorecards.criteria_of, shop.site_id) == DEFAULT


@pytest.mark.parametrize(
    "criteria",
    [
        [Criterion("a", {"en": "A"}, 11)],
        [Criterion("a", {"en": "A"}, 0)],
        [Criterion("a", {"en": " ", "zh": ""}, 3)],
        [Criterion("a", {"en": "A"}, 3), Criterion("a", {"en": "B"}, 3)],
        [Criterion(f"c{n}", {"en": "A"}, 3) for n in range(13)],
    ],
)
def test_criteria_that_are_none(shop: Any, boss: Any, criteria: list[Criterion]) -> None:
    with pytest.raises(BadInput):
        shop.write(scorecards.set_criteria, boss, criteria, now=shop.now)


def test_what_a_reviewer_wrote_goes_with_the_conversation(shop: Any, boss: Any) -> None:
    conv = shop.talk("hi")
    give(shop, boss, conv, ALL, comment="Jonas was rude")
    shop.write(erase_conversation, conv, now=shop.now)
    (card,) = shop.read(scorecards.cards_of, conv)
    assert card["comment"] is None
    assert card["share"] == 1.0
