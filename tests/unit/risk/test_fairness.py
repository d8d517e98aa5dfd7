from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from risk.errors import DataRefused
from risk.fairness import measure, read


def row(customer: str, **more: Any) -> dict[str, Any]:
    return {
        "customer_key": customer, "kind": "reply", "band": "low", "locale": "en", "channel": "web", "eligible": ["reply:a", "offer:x"],
        "overrides": [], "features": {}, "outcomes": [],
    } | more  # fmt: skip


def test_rates_by_group_with_n_and_difference() -> None:
    rows = [row(f"e{n}", kind="offer" if n < 20 else "reply") for n in range(100)]
    rows += [row(f"z{n}", locale="zh-CN", kind="offer" if n < 60 else "reply") for n in range(200)]
    found = measure(rows, "language")["offered"]
    assert {s.group: (s.customers, s.rate.value if s.rate else None) for s in found.shares} == {
        "en": (100, pytest.approx(0.2)),
        "zh": (200, pytest.approx(0.3)),
    }
    assert found.difference == pytest.approx(0.1)
    rate = found.shares[0].rate
    assert rate is not None
    assert (rate.low, rate.high) == (pytest.approx(0.1334, abs=1e-3), pytest.approx(0.2888, abs=1e-3))


def test_a_customer_who_writes_often_is_one_customer() -> None:
    rows = [row("a", kind="offer") for _ in range(500)] + [row(f"b{n}") for n in range(99)]
    (share,) = measure(rows, "language")["offered"].shares
    assert share.customers == 100
    assert share.rate is not None
    assert share.rate.value == pytest.approx(0.01)


def test_what_a_rule_forces_is_no_choice_of_the_policy() -> None:
    rows = [row(f"a{n}", kind="escalate", eligible=["escalate"], overrides=["asks_for_human"]) for n in range(40)]
    (share,) = measure(rows, "channel")["escalated"].shares
    assert share.rate is not None
    assert share.rate.value == 0.0


def test_false_alarms_are_those_of_customers_who_stayed() -> None:
    stayed, left = [{"type": "inactive_90", "value": 0.0}], [{"type": "inactive_90", "value": 1.0}]
    rows = [row(f"s{n}", band="high" if n < 10 else "low", outcomes=stayed) for n in range(40)]
    rows += [row(f"l{n}", band="high", outcomes=left) for n in range(40)] + [
        row(f"u{n}", band="high") for n in range(40)
    ]
    found = measure(rows, "language")
    (alarms,), (false,) = found["alarmed"].shares, found["false_alarms"].shares
    assert (alarms.customers, false.customers) == (120, 40)
    assert false.rate is not None
    assert false.rate.value == pytest.approx(0.25)


def test_small_groups_are_named_and_not_judged() -> None:
    rows = [row(f"a{n}", features={"tenure_days": 400.0}) for n in range(50)] + [
        row("b", features={"tenure_days": 5.0})
    ]
    found = measure(rows, "tenure")["offered"]
    assert [(s.group, s.rate is None) for s in found.shares] == [("a year or more", False), ("under 90 days", True)]
    assert found.difference is None
    assert found.as_json()["groups"]["under 90 days"] == {"customers": 1, "rate": None}


def test_what_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="unknown grouping"):
        measure([row("a")], "height")
    with pytest.raises(DataRefused, match="no decisions"):
        measure([], "language")
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(row("a")) + "\n{}\n", encoding="utf-8")
    with pytest.raises(DataRefused) as refused:
        read(path)
    assert refused.value.line == 2
