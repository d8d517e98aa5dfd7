"""Who is served next, and by whom."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from assistant.escalation.routing import (
    DECLINE_HOLDS_MS,
    PRIORITY_HEAD_START_MS,
    VALUE_HEAD_START_MS,
    Colleague,
    Pair,
    Waiting,
    in_order,
    route,
)

NOW = 10_000_000
ANNA = Colleague("anna", "available", NOW + 30_000, capacity=4)
BEN = Colleague("ben", "available", NOW + 30_000, capacity=4)
TASK = Waiting("t", NOW - 1000)
NONE: frozenset[str] = frozenset()

waiting_tasks = st.builds(
    Waiting,
    id=st.uuids().map(str),
    queued_at=st.integers(0, 10_000_000),
    value_at_stake=st.integers(-5, 10_000_000),
    priority=st.sampled_from([0.0, 1.0, 2.0]),
)


def test_more_at_stake_comes_first_among_those_who_came_together() -> None:
    low, high = replace(TASK, id="low", value_at_stake=100), replace(TASK, id="high", value_at_stake=90_000)
    assert [task.id for task in in_order([low, high])] == ["high", "low"]


def test_equals_are_served_first_come_first_served() -> None:
    tasks = [replace(TASK, id=str(at), queued_at=at, value_at_stake=700) for at in (5, 3, 9, 1)]
    assert [task.queued_at for task in in_order(tasks)] == [1, 3, 5, 9]


@given(waiting_tasks, waiting_tasks)
def test_nobody_starves(one: Waiting, later: Waiting) -> None:
    """No value at stake, however large, overtakes a task that has waited longer than the head start."""
    later = replace(
        later, queued_at=one.queued_at + VALUE_HEAD_START_MS + int(later.priority * PRIORITY_HEAD_START_MS) + 1
    )
    assert in_order([later, one])[0] == one


@given(st.lists(waiting_tasks, max_size=20, unique_by=lambda task: task.id))
def test_the_order_is_total_and_ignores_the_order_of_input(tasks: list[Waiting]) -> None:
    assert in_order(tasks) == in_order(list(reversed(tasks)))


def test_the_least_loaded_agent_is_asked_then_the_one_idle_longest() -> None:
    assert route([TASK], [replace(ANNA, load=2), replace(BEN, load=1)], NOW, NONE) == [Pair("t", "ben")]
    assert route([TASK], [replace(ANNA, idle_since=50), replace(BEN, idle_since=10)], NOW, NONE) == [Pair("t", "ben")]
    small, large = replace(ANNA, load=1, capacity=2), replace(BEN, load=2, capacity=8)
    assert route([TASK], [small, large], NOW, NONE) == [Pair("t", "ben")]


def test_only_those_who_are_here_with_room_and_no_other_offer_are_asked() -> None:
    for absent in (
        replace(ANNA, presence="away"),
        replace(ANNA, presence="offline"),
        replace(ANNA, lease_until=NOW),
        replace(ANNA, load=4),
        replace(ANNA, offers=1),
    ):
        assert route([TASK], [absent], NOW, NONE) == []


def test_an_agent_gets_one_offer_at_a_time() -> None:
    tasks = [replace(TASK, id="a"), replace(TASK, id="b", queued_at=NOW)]
    assert route(tasks, [ANNA], NOW, NONE) == [Pair("a", "anna")]
    assert len(route(tasks, [ANNA, BEN], NOW, NONE)) == 2


def test_languages_count_where_somebody_speaks_them() -> None:
    chinese = replace(TASK, language="zh-CN")
    english, both = replace(ANNA, languages=frozenset({"en"})), replace(BEN, languages=frozenset({"en", "zh"}))
    assert route([chinese], [english, both], NOW, frozenset({"en", "zh"})) == [Pair("t", "ben")]
    assert route([chinese], [english], NOW, frozenset({"en", "zh"})) == []
    assert route([chinese], [english], NOW, frozenset({"en"})) == [Pair("t", "anna")], "anybody is better than nobody"


def test_skills_are_a_must() -> None:
    legal = replace(TASK, skills=frozenset({"legal"}))
    assert route([legal], [ANNA, replace(BEN, skills=frozenset({"legal", "refund"}))], NOW, NONE) == [Pair("t", "ben")]
    assert route([legal], [ANNA], NOW, NONE) == []


def test_who_declined_is_not_asked_again_until_it_is_forgotten() -> None:
    declined = replace(TASK, declined=(("anna", NOW),))
    assert route([declined], [ANNA, BEN], NOW, NONE) == [Pair("t", "ben")]
    assert route([declined], [ANNA], NOW, NONE) == []
    later = NOW + DECLINE_HOLDS_MS
    assert route([declined], [replace(ANNA, lease_until=later + 1)], later, NONE) == [Pair("t", "anna")]


def test_a_transfer_waits_for_its_colleague_then_goes_to_anybody() -> None:
    wanted = replace(TASK, wanted_agent="ben", wanted_until=NOW + 10)
    assert route([wanted], [ANNA, replace(BEN, load=3)], NOW, NONE) == [Pair("t", "ben")]
    assert route([wanted], [ANNA], NOW, NONE) == []
    assert route([wanted], [ANNA], NOW + 10, NONE) == [Pair("t", "anna")]


@given(
    st.lists(waiting_tasks, max_size=12, unique_by=lambda task: task.id),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 1)), max_size=6),
)
def test_no_task_waits_beside_a_free_agent(tasks: list[Waiting], desks: list[tuple[int, int]]) -> None:
    colleagues = [
        Colleague(str(n), "available", NOW + 1, capacity=4, load=load, offers=offers)
        for n, (load, offers) in enumerate(desks)
    ]
    free = [one for one in colleagues if one.load < 4 and one.offers == 0]
    pairs = route(tasks, colleagues, NOW, NONE)
    assert len(pairs) == min(len(tasks), len(free))
    assert len({pair.agent for pair in pairs}) == len({pair.task for pair in pairs}) == len(pairs)
    assert [pair.task for pair in pairs] == [task.id for task in in_order(tasks)][: len(pairs)]
