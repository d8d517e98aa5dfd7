"""Conversations, purchases and outcomes joined: what counts, what is left out, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from risk.conversation.data import Conversation
from risk.dataset import files as dataset
from risk.dataset.rows import Case, part
from risk.dataset.split import split
from risk.errors import DataRefused
from risk.fusion import data
from risk.fusion.data import Known
from risk.history.features import DAY, FEATURES, features
from risk.types import History, Message

START = 1_750_000_000_000
PURCHASES = "customer,order,at,amount\nann,1,2025-01-01,20\nann,2,2025-06-01,20\n"


def _talk(name: str, customer: str | None, at: int | None, *, agent: bool = False) -> str:
    times = {} if at is None else {"at_ms": at}
    messages = [{"role": "customer", "text": "hello", **times}]
    later = {} if at is None else {"at_ms": at + 1_000}
    messages.append({"role": "agent" if agent else "bot", "text": "hi", **later})
    row = {"id": name, "language": "en", "messages": messages}
    return json.dumps(row if customer is None else {**row, "customer_id": customer}) + "\n"


def _join(folder: Path, talks: str, outcomes: str, name: str = "outcomes.csv") -> data.Cases:
    (folder / "talks.jsonl").write_text(talks)
    (folder / "purchases.csv").write_text(PURCHASES)
    (folder / name).write_text(outcomes)
    return data.read([folder / "talks.jsonl"], folder / "purchases.csv", folder / name, mapping={}, horizon_days=90)


def test_only_conversations_with_customer_times_and_outcome_count_and_the_rest_is_counted(tmp_path: Path) -> None:
    talks = (
        _talk("a", "ann", START) + _talk("b", None, START) + _talk("c", "bob", None) + _talk("d", "bob", START + DAY)
    )
    cases = _join(tmp_path, talks, "conversation_id,type,value\na,inactive_90,1\na,inactive_30,0\nb,inactive_90,0\n")
    assert [(case.conversation.id, case.left, case.ended_at) for case in cases.rows] == [("a", 1.0, START)]
    assert cases.left_out == {"without a customer": 1, "without times": 1, "without an outcome": 1}
    assert len(cases.rows[0].history.orders) == 2


def test_earlier_conversations_are_contacts_and_later_ones_are_not_seen(tmp_path: Path) -> None:
    talks = (
        _talk("a", "ann", START, agent=True) + _talk("b", "ann", START + 10 * DAY) + _talk("c", "ann", START + 20 * DAY)
    )
    outcomes = "conversation_id,type,value\na,csat,2\nb,inactive_90,0\nc,csat,5\n"
    case = _join(tmp_path, talks, outcomes).rows[0]
    seen = dict(zip(FEATURES, features(case.history, case.ended_at).tolist(), strict=True))
    assert (seen["contacts_90d"], seen["escalations_90d"], seen["csat_last"]) == (1, 1, 2)


def test_a_conversation_and_the_rating_after_it_are_no_part_of_its_own_history(tmp_path: Path) -> None:
    outcomes = "conversation_id,type,value\na,csat,1\na,inactive_90,1\n"
    only = json.loads(_talk("a", "ann", START))
    only["messages"] = only["messages"][:1]  # the customer has the last word: the conversation ends as it is scored
    case = _join(tmp_path, json.dumps(only) + "\n", outcomes).rows[0]
    seen = dict(zip(FEATURES, features(case.history, case.ended_at).tolist(), strict=True))
    assert np.isnan(seen["contacts_90d"])
    assert np.isnan(seen["csat_last"])


def test_the_log_s_decisions_with_their_outcomes_are_read(tmp_path: Path) -> None:
    first = {"id": "o1", "type": "inactive_90", "value": 1.0}
    second = {"id": "o2", "type": "inactive_90", "value": 0.0, "supersedes": "o1"}
    path = tmp_path / "log.jsonl"
    rows = [
        {"conversation_id": "a", "outcomes": [first, second]},
        {"conversation_id": "a", "outcomes": []},
        {"conversation_id": "b", "outcomes": [{"id": "o3", "type": "inactive_90", "value": 1}]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert data.outcomes(path, "inactive_90") == {"a": Known(0.0), "b": Known(1.0)}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("conversation_id,type,value\na,inactive_90,0.5\n", "line 2: inactive_90 is 1"),
        ("conversation_id,type,value\na,inactive_90,often\n", "line 2: 'often' is not a number"),
        ("conversation_id,type,value\na,csat,nan\n", "line 2: 'nan' is not a number"),
        ("conversation_id,type,value\n,inactive_90,1\n", "line 2: an outcome needs a conversation_id"),
        ("conversation_id,type,value\na,inactive_30,1\n", "no outcome inactive_90"),
        ("nothing\n", "no outcome inactive_90"),
    ],
)
def test_a_bad_outcome_is_refused_with_its_line(tmp_path: Path, body: str, message: str) -> None:
    path = tmp_path / "outcomes.csv"
    path.write_text(body)
    with pytest.raises(DataRefused, match=message):
        data.outcomes(path, "inactive_90")


def _logged(name: str, treated: bool, weight: float, *, customer: str = "key", at: int = START) -> Case:
    talk = Conversation(name, "en", (Message("contact", "hello", at),), (None,), customer=customer)
    return Case(talk, (1,), History(), 1.0, treated, weight, holdout=False)


def test_a_training_set_of_the_product_s_own_log_gives_its_untreated_rows_by_weight(tmp_path: Path) -> None:
    cases = [_logged("a", False, 1.5), _logged("b", True, 3.0)]
    folder = dataset.write(
        tmp_path, site="demo", as_of=START, horizon_days=90, parts=[part([], cases, left_out={"erased": 2})]
    )
    found = data.of_dataset(dataset.read(folder), 90)
    assert [(case.conversation.id, case.weight, case.left) for case in found.rows] == [("a", 1.5, 1.0)]
    assert found.left_out == {"erased": 2, "treated": 1, "held for judging": 0}
    with pytest.raises(DataRefused, match="label is 90 days"):
        data.of_dataset(dataset.read(folder), 30)


def test_whoever_judges_at_the_gate_teaches_nothing(tmp_path: Path) -> None:
    cases = [
        _logged(f"c{n}", treated=n % 5 == 0, weight=1.0, customer=f"u{n % 40}", at=START + n * DAY) for n in range(200)
    ]
    folder = dataset.write(tmp_path, site="demo", as_of=START, horizon_days=90, parts=[part([], cases)])
    found = dataset.read(folder)
    learnt, unseen = data.of_dataset(found, 90), data.of_dataset(found, 90, judging=True)
    judges = [case for case in split(found.cases)[1] if not case.treated]
    assert [case.conversation.id for case in unseen.rows] == [case.conversation.id for case in judges]
    assert judges
    assert not {case.customer for case in learnt.rows} & {case.customer for case in judges}
    for given in (learnt, unseen):
        assert len(given.rows) + sum(given.left_out.values()) == len(cases)  # nothing is lost without a word


def test_only_newer_conversations_are_kept_when_asked(tmp_path: Path) -> None:
    talks = _talk("a", "ann", START) + _talk("b", "ann", START + DAY)
    cases = _join(tmp_path, talks, "conversation_id,type,value\na,inactive_90,0\nb,inactive_90,1\n")
    newer = data.since(cases, START + DAY)
    assert [case.conversation.id for case in newer.rows] == ["b"]
    assert newer.left_out["older"] == 1
    with pytest.raises(DataRefused, match="that new"):
        data.since(cases, START + 2 * DAY)


def test_files_that_share_no_conversation_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="1 without an outcome"):
        _join(tmp_path, _talk("a", "ann", START), "conversation_id,type,value\nz,inactive_90,1\n")
