from __future__ import annotations

import json
from pathlib import Path

import pytest

from assistant.errors import BadInput
from assistant.replay import Tally, load, percentiles, summary


def test_customer_messages_without_an_answer_between_them_are_one_burst(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    messages = [
        ("customer", "a"),
        ("customer", " b "),
        ("agent", "x"),
        ("customer", "  "),
        ("agent", "y"),
        ("customer", "c"),
    ]
    row = {"id": "1", "language": "zh", "messages": [{"role": role, "text": text} for role, text in messages]}
    path.write_text(json.dumps(row) + "\nnot json\n" + json.dumps({"id": 2}) + "\n" + json.dumps(row) + "\n")
    good, bad = load(path, None)
    assert list(good[0].bursts()) == [["a", "b"], ["c"]]
    assert [row.line for row in bad] == [2, 3]
    assert len(good) == 2
    assert len(load(path, 1)[0]) == 1


def test_a_file_without_conversations_is_refused_with_its_first_fault(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": "1", "messages": []}\n')
    with pytest.raises(BadInput, match="line 1"):
        load(path, None)


def test_percentiles_by_nearest_rank() -> None:
    assert percentiles([]) == {"p50": None, "p99": None}
    assert percentiles([float(n) for n in range(1, 101)]) == {"p50": 50.0, "p99": 99.0}
    assert percentiles([7.0]) == {"p50": 7.0, "p99": 7.0}


def test_the_summary_has_the_promised_keys() -> None:
    promised = [
        "conversations",
        "turns_sent",
        "turns_acked",
        "scores",
        "decisions",
        "bot_replies",
        "escalations",
        "latency_ms",
    ]
    assert set(promised) <= summary(Tally(), 0, 0, 0).keys()
