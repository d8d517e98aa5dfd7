"""`staywell bench score`: each part is timed where it happens, and a model whose cost grows is seen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from assistant.cli import app
from risk import bench


def _work(steps: int) -> None:
    """Processor time: waiting would cost none."""
    sum(range(steps))


class Encoder:
    def encode(self, texts: list[str]) -> np.ndarray:
        _work(20_000)
        return np.zeros((len(texts), 4), dtype=np.float32)


@dataclass
class Scorer:
    """Looks at the whole past at every score when it is `slow`."""

    slow: bool

    def initial(self) -> int:
        return 0

    def advance(self, state: int, vector: np.ndarray, message: Any) -> int:
        return state + 1

    def score(self, state: int, history: Any, as_of: int) -> None:
        _work(state * 1_000 if self.slow else 10_000)


@pytest.mark.parametrize("slow", [False, True])
def test_a_model_that_reads_the_past_again_is_found_out(slow: bool) -> None:
    done: list[int] = []
    found = bench.measure(Scorer(slow), Encoder(), 3, done.append)
    assert done == [1, 2, 3]
    assert found["step_ms"] < found["encode_ms"]
    assert found["step_ms"] < found["score_ms"]
    assert found["turn_150_ms"] == pytest.approx(found["encode_ms"] + found["step_ms"] + found["score_ms"])
    assert (found["turn_150_over_turn_5_without_encoding"] > 3) is slow


def test_the_command_prints_one_object() -> None:
    found = CliRunner().invoke(app, ["bench", "score", "--rounds", "1", "--json"])
    assert found.exit_code == 0, found.output
    answer = json.loads(found.stdout)
    assert answer["turn_150_over_turn_5"] > 0


def test_an_encoder_that_the_model_does_not_know_is_refused() -> None:
    found = CliRunner().invoke(app, ["bench", "score", "--encoder", "hash"])
    assert found.exit_code == 2
    assert "trained with encoder" in found.stderr
