from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from assistant.outcomes import export as export_module
from assistant.outcomes.export import export, neutral
from assistant.outcomes.store import record

NOW = 1_795_000_000_000


@pytest.fixture
def filled(made: Any) -> Any:
    for n in range(5):
        decision_id = made.turn()
        made.write(
            lambda c, n=n, d=decision_id: record(
                c, site_id=made.site_id, idempotency_key=f"k{n}", type="review", source="supervisor", ts_event=NOW + n, now=NOW + n,
                decision_id=d, label={"comment": "=HYPERLINK(1)"},
            )
        )  # fmt: skip
    return made


def lines(filled: Any, **options: Any) -> list[bytes]:
    return filled.read(lambda c: list(export(c, **options)))


@pytest.mark.parametrize("batch", [2, 500])
def test_json_lines(filled: Any, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "BATCH", batch)
    decisions = [json.loads(line) for line in lines(filled, what="decisions")]
    assert [row["seq"] for row in decisions] == [1, 2, 3, 4, 5]
    both = [json.loads(line) for line in lines(filled, what="both")]
    assert [[o["idempotency_key"] for o in row["outcomes"]] for row in both] == [["k0"], ["k1"], ["k2"], ["k3"], ["k4"]]
    outcomes = [json.loads(line) for line in lines(filled, what="outcomes", since=NOW + 1, until=NOW + 3)]
    assert [row["idempotency_key"] for row in outcomes] == ["k1", "k2"]


def test_csv_reads_back_and_runs_nothing(filled: Any) -> None:
    text = b"".join(lines(filled, what="both", form="csv")).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 5
    assert json.loads(rows[0]["probabilities"])[0] > 0.02
    assert json.loads(rows[0]["outcomes"])[0]["type"] == "review"
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())


def test_other_sites_stay_out(filled: Any) -> None:
    assert lines(filled, what="both", site_id="0" * 26) == []


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("-5", "-5"),
        ("-5.2e3", "-5.2e3"),
        ("-cmd|'/c'", "'-cmd|'/c'"),
        ("+a", "'+a"),
        ("\tx", "'\tx"),
        ("ok", "ok"),
        ("", ""),
    ],
)
def test_formulas_are_neutralised(cell: str, safe: str) -> None:
    assert neutral(cell) == safe
