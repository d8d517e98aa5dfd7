"""Churn at a date: the form of the answer, what it may know, what it refuses; on shops of other shapes than the training one."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from risk.errors import DataRefused
from risk.evaluate_commands import evaluate_app
from risk.history import transactions
from risk.history.evaluate import compare, figures, predictions, until
from risk.history.features import DAY
from risk.history.train import snapshots, train
from risk.types import History, OrderRecord

METRICS = {"auc", "ap", "brier", "ece"}
BASELINES = {"recency", "logistic", "bg_nbd", "lightgbm"}


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def sparse_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another shop: other columns, one line an order, no products, most customers buy once or twice."""
    path = tmp_path_factory.mktemp("sparse") / "records.csv"
    draw = random.Random(5)
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter=",")
        rows.writerow(["member", "day", "dollars"])
        for member in range(400):
            faithful = draw.random() < 0.3
            day = draw.randint(0, 250)
            while day < 360:
                when = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
                rows.writerow([f"m{member}", when.strftime("%Y%m%d"), f"{draw.uniform(5, 90):.2f}"])
                if draw.random() > (0.9 if faithful else 0.35):
                    break
                day += draw.randint(10, 60)
    return path


MAP = "customer=member,at=day,amount=dollars"


@pytest.fixture(scope="module")
def answer(sparse_file: Path) -> dict[str, Any]:
    histories = transactions.read(sparse_file, transactions.parse_mapping(MAP))
    return figures(histories, at("2024-11-15"), 30, seed=1, origins=1)


def test_every_figure_has_its_interval(answer: dict[str, Any]) -> None:
    assert set(answer) == {"n", "churn_rate", *METRICS, "baselines", "differences", "origins"}
    assert set(answer["baselines"]) == set(answer["differences"]) == BASELINES
    (earlier,) = answer["origins"]
    assert earlier["as_of"] == "2024-10-31"
    for part in (answer, earlier):
        tables = [part, *part["baselines"].values(), *part["differences"].values()]
        for metric in (table[name] for table in tables for name in METRICS):
            assert metric["low"] <= metric["value"] + 0.05
            assert metric["value"] - 0.05 <= metric["high"]
    for name in BASELINES:
        gap = answer["auc"]["value"] - answer["baselines"][name]["auc"]["value"]
        assert answer["differences"][name]["auc"]["value"] == pytest.approx(gap, abs=2e-4)


def test_it_does_well_on_a_sparse_shop(answer: dict[str, Any]) -> None:
    assert answer["auc"]["value"] > 0.7
    assert answer["auc"]["value"] > answer["baselines"]["recency"]["auc"]["value"] - 0.02
    assert answer["ece"]["value"] < 0.1


def test_the_future_changes_no_prediction(sparse_file: Path) -> None:
    """Scores at the date stay as they are whatever happens, or becomes known, afterwards: the model's and the baselines'."""
    histories = transactions.read(sparse_file, transactions.parse_mapping(MAP))
    moment = at("2024-10-01")
    late = OrderRecord("late", moment - 5 * DAY, moment + DAY, 900_000)
    grown = {
        name: replace(history, orders=(*(o for o in history.orders if o.ts_event <= moment), late))
        for name, history in histories.items()
    }
    grown["new"] = History(orders=(OrderRecord("x", moment + 60 * DAY, moment + 60 * DAY, 100),))

    def scores(store: dict[str, History]) -> dict[str, Any]:
        past = {name: known for name, history in store.items() if (known := until(history, moment)).orders}
        now = snapshots({name: store[name] for name in past}, [moment])
        return predictions(train(past, 30, seed=1, now=moment), now, 30)

    before, after = scores(histories), scores(grown)
    assert set(before) == {"model", *BASELINES}
    for name, (rank, probability) in before.items():
        np.testing.assert_array_equal(rank, after[name][0])
        np.testing.assert_array_equal(probability, after[name][1])


@pytest.mark.parametrize(
    ("day", "horizon", "why"),
    [
        ("2024-12-20", 30, "end on 2024-12-25, before"),
        ("2020-01-01", 30, "nobody"),
        ("2024-02-01", 30, "span"),
        ("2024-06-01", 180, "span"),
    ],
)
def test_a_date_that_the_file_cannot_answer_is_refused(sparse_file: Path, day: str, horizon: int, why: str) -> None:
    histories = transactions.read(sparse_file, transactions.parse_mapping(MAP))
    with pytest.raises(DataRefused, match=why):
        figures(histories, at(day), horizon, seed=1)


def test_a_paired_interval_is_narrower_than_two_apart() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(800) < 0.5).astype(float)
    good = np.clip(0.5 + 0.3 * (y - 0.5) + rng.normal(0, 0.2, 800), 0.01, 0.99)
    near = np.clip(good + rng.normal(0, 0.05, 800), 0.01, 0.99)
    found = compare({"model": (good, good), "near": (near, near)}, y, seed=1)
    gap = found["differences"]["near"]["auc"]
    alone = found["auc"]["high"] - found["auc"]["low"]
    assert gap["high"] - gap["low"] < alone / 2


def test_the_command_prints_one_object(sparse_file: Path) -> None:
    run = CliRunner().invoke(
        evaluate_app,
        ["history", "--transactions", str(sparse_file), "--map", MAP, "--as-of", "2024-11-15", "--horizon", "30d", "--json"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    assert set(json.loads(run.stdout)["baselines"]) == BASELINES


@pytest.mark.parametrize(
    ("mapping", "why"), [("customer=member,at=day", "amount"), ("customer=member,at=day,amount=euros", "euros")]
)
def test_a_missing_column_is_said_in_one_line(sparse_file: Path, mapping: str, why: str) -> None:
    run = CliRunner().invoke(
        evaluate_app, ["history", "--transactions", str(sparse_file), "--map", mapping, "--as-of", "2024-11-15"]
    )
    assert run.exit_code == 2
    assert why in run.stderr
