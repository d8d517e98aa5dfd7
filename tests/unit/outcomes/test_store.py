from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from assistant.errors import BadInput, Conflict
from assistant.outcomes.store import record
from assistant.storage.tables import outcome

NOW = 1_795_000_000_000


def put(made: Any, **changes: Any) -> str:
    given = {"site_id": made.site_id, "idempotency_key": "k1", "type": "purchase", "source": "shop", "ts_event": NOW, "now": NOW,
             "customer_key": made.key} | changes  # fmt: skip
    return str(made.write(lambda c: record(c, **given)))


def rows(made: Any) -> Any:
    return made.read(lambda c: c.execute(select(outcome)).mappings().all())


def test_recorded_once_however_often_it_is_sent(made: Any) -> None:
    first = put(made, value=12.5, currency="EUR")
    assert put(made, value=12.5, currency="EUR", now=NOW + 5) == first
    (row,) = rows(made)
    assert (row["type"], row["value"], row["ts_ingested"]) == ("purchase", 12.5, NOW)


def test_a_key_used_for_something_else_is_a_conflict(made: Any) -> None:
    put(made, value=1.0)
    with pytest.raises(Conflict) as caught:
        put(made, value=2.0)
    assert caught.value.reason == "idempotency_conflict"


def test_the_customer_is_found_through_decision_or_conversation(made: Any) -> None:
    decision_id = made.turn()
    put(made, decision_id=decision_id, customer_key=None, type="csat", value=5.0)
    put(made, idempotency_key="k2", customer_key=None, conversation_id=made.conversation_id, type="resolved")
    assert [(row["customer_key"], row["conversation_id"]) for row in rows(made)] == [
        (made.key, made.conversation_id)
    ] * 2


def test_a_correction_is_a_new_row(made: Any) -> None:
    first = put(made, value=10.0)
    put(made, idempotency_key="k2", value=8.0, supersedes=first)
    assert [row["value"] for row in rows(made)] == [10.0, 8.0]
    with pytest.raises(BadInput, match="correct"):
        put(made, idempotency_key="k3", supersedes="0" * 26)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "bliss"}, "unknown_type"),
        ({"source": "rumour"}, "unknown_source"),
        ({"idempotency_key": ""}, "bad_key"),
        ({"idempotency_key": "x" * 121}, "bad_key"),
        ({"ts_event": NOW + 60_001}, "future"),
        ({"ts_event": -1}, "bad_value"),
        ({"value": float("nan")}, "bad_value"),
        ({"value": float("inf")}, "bad_value"),
        ({"type": "csat", "value": 6.0}, "bad_value"),
        ({"type": "csat"}, "bad_value"),
        ({"currency": "euro"}, "bad_value"),
        ({"attribution_days": -1}, "bad_value"),
        ({"customer_key": None}, "about_nobody"),
        ({"customer_key": None, "conversation_id": "0" * 26}, "about_nobody"),
        ({"decision_id": "0" * 26}, "unknown_decision"),
    ],
)
def test_bad_outcomes_are_refused_with_a_code(made: Any, changes: Any, code: str) -> None:
    with pytest.raises(BadInput) as caught:
        put(made, **changes)
    assert caught.value.reason == code
    assert rows(made) == []


def test_no_outcome_before_its_decision_or_about_another_customer(made: Any) -> None:
    decision_id = made.turn()
    with pytest.raises(BadInput) as caught:
        put(made, decision_id=decision_id, ts_event=NOW - 1)
    assert caught.value.reason == "before_decision"
    with pytest.raises(BadInput) as caught:
        put(made, decision_id=decision_id, customer_key="somebody else")
    assert caught.value.reason == "unknown_decision"


def test_a_little_clock_difference_is_forgiven(made: Any) -> None:
    put(made, ts_event=NOW + 60_000)
    assert len(rows(made)) == 1
