"""The uplift command on a real trial: half of the rows choose and fit, the other half measures."""

from __future__ import annotations

import csv
import gzip
import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from risk.uplift.commands import evaluate_policy, evaluate_uplift

pytestmark = pytest.mark.integration

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "hillstrom" / "train.csv.gz"


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if not DATA.is_file():
        message = f"{DATA} is not there"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    folder = tmp_path_factory.mktemp("hillstrom")
    with gzip.open(DATA, "rt", encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    paths = []
    for n in (0, 1):
        path = folder / f"half{n}.csv"
        with path.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([header, *rows[n::2]])
        paths.append(path)
    return paths[0], paths[1]


def app() -> typer.Typer:
    made = typer.Typer()
    made.command("uplift")(evaluate_uplift)
    made.command("policy")(evaluate_policy)
    return made


def test_uplift_beats_risk_and_chance_on_unseen_people(halves: tuple[Path, Path]) -> None:
    train, test = halves
    ran = CliRunner().invoke(
        app(),
        ["uplift", "--train", str(train), "--data", str(test), "--treatment", "segment=Womens E-Mail",
         "--control", "segment=No E-Mail", "--outcome", "visit", "--json"],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert set(found["qini"]) == {"uplift", "risk", "response", "random"}
    assert all(set(one) == {"value", "low", "high"} for one in found["qini"].values())
    assert found["n"] > 10_000
    assert set(found["dropped"]) == {"conversion", "spend"}  # recorded after the visit
    assert found["lead"]["risk"]["low"] > 0
    assert found["lead"]["random"]["low"] > 0
    assert found["qini"]["uplift"]["value"] > 0.04
    assert found["qini"]["random"]["low"] < 0 < found["qini"]["random"]["high"]


def test_bad_input_is_answered_in_one_line(halves: tuple[Path, Path], tmp_path: Path) -> None:
    for arguments, says in (
        (["--treatment", "segment", "--control", "segment=No E-Mail", "--outcome", "visit"], "COLUMN=VALUE"),
        (
            ["--treatment", "segment=Womens E-Mail", "--control", "segment=No E-Mail", "--outcome", "joy"],
            "no column 'joy'",
        ),
    ):
        ran = CliRunner().invoke(app(), ["uplift", "--data", str(halves[0]), *arguments])
        assert ran.exit_code == 2
        assert says in ran.output
        assert "Traceback" not in ran.output
    ran = CliRunner().invoke(app(), ["policy", "--log", str(tmp_path / "none.jsonl"), "--policy", "uniform"])
    assert ran.exit_code == 2


def test_a_policy_that_the_log_cannot_judge_ends_with_code_three(tmp_path: Path) -> None:
    row = {"id": "d", "customer_key": "c", "ts_decision": 0, "eligible": ["reply:a", "offer:o"], "probabilities": [0.9, 0.1],
           "values": [1.0, 0.0], "action": "reply:a", "propensity": 0.9, "cost": 0, "outcomes": []}  # fmt: skip
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row | {"customer_key": f"c{n}"}) + "\n" for n in range(50)), encoding="utf-8")
    ran = CliRunner().invoke(
        app(), ["policy", "--log", str(path), "--policy", "uniform", "--window-days", "0", "--json"]
    )
    assert ran.exit_code == 3
    assert json.loads(ran.stdout)["refused"] == ["ess", "mean_weight"]
