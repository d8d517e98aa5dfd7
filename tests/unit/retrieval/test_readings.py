from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.readings import MOST, essence, readings


@pytest.mark.parametrize(
    ("text", "core"),
    [
        ("Hi, the kettle leaks. Order 47990.", "the kettle leaks."),
        ("Good morning! where is #48301", "where is"),
        ("你好，上次那单羊毛毯怎么还没到？", "上次那单羊毛毯怎么还没到?"),
        ("亲，在吗，我要退货 订单号：48120", "我要退货"),
        ("hello", "hello"),
        ("48239", "48239"),
        ("history of my orders", "history of my orders"),
    ],
)
def test_the_core_has_no_courtesies_and_no_order_numbers(text: str, core: str) -> None:
    assert essence(text) == core


def kinds(text: str, *before: str) -> dict[str, str]:
    return {reading: kind for kind, reading in readings(text, before)}


def test_a_long_message_is_also_read_clause_by_clause() -> None:
    found = kinds("I got the parcel on Monday. The lid is missing, can you send one?")
    assert found["The lid is missing"] == "clause"
    assert found["I got the parcel on Monday"] == "clause"


def test_a_short_answer_leans_on_what_was_said_before() -> None:
    assert (
        kinds("From the base again.", "the kettle leaks too")["the kettle leaks too From the base again."] == "context"
    )


@pytest.mark.parametrize("question", ["do you sell lamps", "支持花呗吗", "and what about this?"])
def test_a_question_of_its_own_does_not(question: str) -> None:
    assert "context" not in kinds(question, "where is my parcel").values()


def test_neither_does_a_long_message() -> None:
    assert "context" not in kinds("word " * 30, "where is my parcel").values()


@given(st.text(max_size=400), st.lists(st.text(max_size=60), max_size=3))
def test_readings_are_few_and_begin_with_the_core(text: str, before: list[str]) -> None:
    found = readings(text, before)
    assert 1 <= len(found) <= MOST
    assert found[0] == ("core", essence(text))
    assert len({reading for _, reading in found}) == len(found)
