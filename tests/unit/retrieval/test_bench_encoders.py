"""`staywell bench encoder`: what it prints, and what it says of bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.cli import app
from retrieval import bench_encoders

TURNS = {"en": ["where is my order", "thanks", "the kettle is broken"], "zh": ["还没收到", "退货"]}


def bench(*options: str) -> Any:
    return CliRunner().invoke(app, ["bench", "encoder", *options])


def test_an_encoder_that_is_not_packed_has_its_cost_alone() -> None:
    found = bench_encoders.measure("hash", TURNS, 8, 1)
    assert set(found) == {"encoder", "fingerprint", "dim", "start_s", "ms_a_turn", "memory_mb"}
    assert set(found["ms_a_turn"]) == {"en", "zh"}
    assert all(cost > 0 for cost in found["ms_a_turn"].values())


def test_a_packed_encoder_is_compared_with_every_other_way(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    name = str(tiny("bert"))
    found = bench_encoders.measure(f"packed-onnx:{name}", TURNS, 8, 2)
    assert found["way"] == "onnx"
    assert set(found["ms_a_text"]) == {
        "sentence_transformers_a_turn", "sentence_transformers_padded", "one_at_a_time", "packed", "packed_torch",
        "packed_torch_bf16",
    }  # fmt: skip
    assert found["lowest_cosine"] > 0.9999
    assert found["lowest_cosine_alone"] > 0.9999
    assert found["packed_over_sentence_transformers"] > 1


def test_the_command_prints_one_object_and_reads_conversations(tmp_path: Path) -> None:
    talk = [{"role": "customer", "text": text} for text in ("where is it", "还没收到")] + [
        {"role": "agent", "text": "hm"}
    ]
    (tmp_path / "talk.jsonl").write_text(json.dumps({"id": "1", "messages": talk}) + "\n")
    found = bench("--encoder", "hash", "--data", str(tmp_path / "talk.jsonl"), "--json")
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    assert (answer["threads"], answer["sessions"]) == (1, 32)
    assert [one["encoder"] for one in answer["encoders"]] == ["hash"]
    assert set(answer["encoders"][0]["ms_a_turn"]) == {"en", "zh"}
    table = bench("--encoder", "hash")
    assert "ms a turn" in table.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "does not hold conversations"), ('{"messages": [{"role": "agent", "text": "hm"}]}\n', "no customer's turn")],
)
def test_data_without_turns_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "talk.jsonl").write_text(content)
    found = bench("--encoder", "hash", "--data", str(tmp_path / "talk.jsonl"))
    assert found.exit_code == 2
    assert said in found.stderr


def test_an_encoder_that_is_not_there_is_refused() -> None:
    found = bench("--encoder", "/no/such/folder")
    assert found.exit_code == 2
    assert "cannot be loaded" in found.stderr


def test_turns_that_wait_are_of_all_languages() -> None:
    assert bench_encoders._mixed(TURNS, 5) == [
        "where is my order",
        "还没收到",
        "thanks",
        "退货",
        "the kettle is broken",
    ]
    assert len(bench_encoders._mixed({"en": ["one"]}, 7)) == 7
