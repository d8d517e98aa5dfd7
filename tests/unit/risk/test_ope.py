from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from risk import ope
from risk.errors import DataRefused
from risk.ope import Logged, effective_size, evaluate

ACTIONS = ("reply:a", "offer:o", "escalate")
DAY = 86_400_000


def chance(values: Any, temperature: float = 1.0, floor: float = 0.05) -> np.ndarray:
    weights = np.exp((np.asarray(values) - np.max(values)) / temperature)
    return floor + (1 - len(weights) * floor) * weights / weights.sum()


def simulate(n: int, seed: int, *, a_customer: int = 1) -> list[Logged]:
    """A shop whose truth is known: what an action earns depends on x and on the customer; the log prefers replies."""
    random = np.random.default_rng(seed)
    rows = []
    for customer in range(n // a_customer):
        mood = random.normal(scale=0.5)
        for _ in range(a_customer):
            x = float(random.normal())
            probabilities = chance([1.0, 0.3 * x, 0.0])
            action = int(random.choice(3, p=probabilities))
            reward = expected(x)[action] + mood + float(random.normal())
            rows.append(
                Logged(
                    customer=str(customer), actions=ACTIONS, probabilities=tuple(probabilities),
                    values=(1.0, 0.3 * x, 0.0), action=ACTIONS[action], propensity=float(probabilities[action]),
                    reward=reward, features={"x": x}, band="high" if x > 0.5 else "low",
                )
            )  # fmt: skip
    return rows


def expected(x: float) -> np.ndarray:
    return np.asarray([0.5, 0.5 + x, 1.0 - x * x / 2])


def clever(row: Logged) -> np.ndarray:
    return chance([0.5, 0.5 + row.features["x"], 0.2])


def truth(policy: Callable[[Logged], np.ndarray]) -> float:
    xs = np.random.default_rng(99).normal(size=200_000)
    total = 0.0
    for x in xs[:20_000]:
        row = Logged(
            "", ACTIONS, tuple(chance([1.0, 0.3 * x, 0.0])), (1.0, 0.3 * x, 0.0), "", 1.0, 0.0, {"x": float(x)}
        )
        total += float(policy(row) @ expected(float(x)))
    return total / 20_000


def coverage(logs: int, a_customer: int) -> dict[str, float]:
    """In which share of so many simulated logs each estimator's interval holds the true value."""
    value = truth(clever)
    covered = dict.fromkeys(("ips", "snips", "dr"), 0)
    for seed in range(logs):
        judged = evaluate(simulate(900, seed, a_customer=a_customer), clever)
        assert judged.refused == ()
        assert judged.estimates is not None
        for name, found in judged.estimates.items():
            covered[name] += found.low <= value <= found.high
    shares = {name: hits / logs for name, hits in covered.items()}
    print(f"{logs} logs, {a_customer} decisions a customer: {shares}")
    return shares


@pytest.mark.parametrize("a_customer", [1, 5])
def test_intervals_cover_the_truth_in_200_logs(a_customer: int) -> None:
    shares = coverage(200, a_customer)
    assert all(0.915 <= share <= 0.985 for share in shares.values()), (
        shares
    )  # two standard errors of 200 logs beyond 93 to 97


@pytest.mark.long
@pytest.mark.parametrize("a_customer", [1, 5])
def test_intervals_cover_the_truth_in_93_to_97_percent_of_2000_logs(a_customer: int) -> None:
    shares = coverage(2000, a_customer)
    assert all(0.93 <= share <= 0.97 for share in shares.values()), shares


def test_dr_is_the_narrowest_when_its_model_says_something() -> None:
    judged = evaluate(simulate(4000, 1), clever)
    assert judged.estimates is not None
    width = {name: found.high - found.low for name, found in judged.estimates.items()}
    assert width["dr"] < width["ips"]


def test_judging_the_logged_policy_gives_what_was_logged() -> None:
    rows = simulate(800, 2)
    judged = evaluate(rows, "logged")
    assert judged.ess == pytest.approx(800)
    assert judged.mean_weight == pytest.approx(1.0)
    assert judged.estimates is not None
    assert judged.estimates["ips"].value == pytest.approx(judged.logged.value)
    assert judged.estimates["snips"].value == pytest.approx(judged.logged.value)


def test_without_overlap_it_refuses() -> None:
    rows = [
        Logged(str(n), ACTIONS, (0.998, 0.001, 0.001), (0.0, 9.0, 0.0), ACTIONS[0], 0.998, 1.0, {}) for n in range(5000)
    ]
    judged = evaluate(rows, "greedy")
    assert judged.estimates is None
    assert {"ess", "mean_weight"} <= set(judged.refused)
    lucky = [*rows, Logged("x", ACTIONS, (0.998, 0.001, 0.001), (0.0, 9.0, 0.0), ACTIONS[1], 0.001, 50.0, {})]
    judged = evaluate(lucky, "greedy")
    assert judged.ess == pytest.approx(1.0)
    assert "largest_weight" in judged.refused
    assert judged.as_json()["estimates"] is None


def test_a_small_log_is_refused() -> None:
    assert evaluate(simulate(150, 3), "logged").refused == ("ess",)


def test_policies_stay_among_the_possible_actions() -> None:
    for row in simulate(50, 4):
        for policy in ope.POLICIES.values():
            chances = policy(row)
            assert float(chances.sum()) == pytest.approx(1.0)
            assert (chances >= 0).all()
    (row,) = simulate(1, 5)
    assert ope.POLICIES["service"](row).tolist() == [1.0, 0.0, 0.0]
    assert ope.POLICIES["no-offers"](row)[1] == 0.0


def test_effective_size() -> None:
    assert effective_size(np.ones(7)) == pytest.approx(7)
    assert effective_size(np.asarray([1.0, 0.0, 0.0])) == pytest.approx(1)
    assert effective_size(np.zeros(3)) == 0.0


def test_unknown_names_and_empty_logs() -> None:
    with pytest.raises(DataRefused, match="unknown policy"):
        evaluate(simulate(10, 6), "magic")
    with pytest.raises(DataRefused, match="empty"):
        evaluate([], "logged")


# --- files ----------------------------------------------------------------------------------------------------------


def row(n: int = 0, **changes: Any) -> dict[str, Any]:
    outcome = {"id": "o1", "type": "purchase", "value": 20.0, "ts_event": 1, "ts_ingested": 1, "supersedes": None}
    return {
        "id": f"d{n}", "customer_key": f"c{n}", "ts_decision": 0, "eligible": ["reply:a", "offer:o"],
        "probabilities": [0.7, 0.3], "values": [1.0, 2.0], "action": "offer:o", "propensity": 0.3, "cost": 500,
        "features": {"x": 1.5, "y": None}, "score": 0.4, "band": "high", "holdout": False, "outcomes": [outcome],
    } | changes  # fmt: skip


def write(path: Path, rows: list[Any]) -> Path:
    text = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["log.jsonl", "log.jsonl.gz"])
def test_rewards_are_made_of_outcomes(tmp_path: Path, name: str) -> None:
    late = {"id": "o2", "type": "purchase", "value": 99.0, "ts_event": 31 * DAY, "ts_ingested": 31 * DAY}
    refund = {"id": "o3", "type": "refund", "value": 4.0, "ts_event": 5, "ts_ingested": 5}
    first = row()
    first["outcomes"] += [late, refund]
    corrected = row(1)
    corrected["outcomes"].append(
        {"id": "o9", "type": "purchase", "value": 5.0, "ts_event": 2, "ts_ingested": 9, "supersedes": "o1"}
    )
    young = row(2, ts_decision=20 * DAY)
    path = write(tmp_path / name, [first, corrected, young])
    rows = ope.read_log(path, reward="value", window_days=30)
    assert [r.reward for r in rows] == [20.0 - 4.0 - 5.0, 5.0 - 5.0]  # the third is not known yet
    assert rows[0].features == {"x": 1.5, "score": 0.4}
    assert [r.reward for r in ope.read_log(path, reward="purchase")] == [1.0, 1.0]
    assert [r.reward for r in ope.read_log(path, reward="complaint")] == [0.0, 0.0]


@pytest.mark.parametrize(
    "bad",
    ["{", "[]", row(action="reply:z"), row(probabilities=[0.9, 0.3]), row(propensity=0), row(values=[1.0]), row(eligible="x"),
     {k: v for k, v in row().items() if k != "propensity"}, row(outcomes=[{"type": "x"}]), row(ts_decision="soon")],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path: Path, bad: Any) -> None:
    with pytest.raises(DataRefused, match="line 2"):
        ope.read_log(write(tmp_path / "log.jsonl", [row(), bad]), window_days=0)


def test_files_without_an_answer(tmp_path: Path) -> None:
    for path, says in (
        (tmp_path / "missing.jsonl", "cannot be read"),
        (write(tmp_path / "empty.jsonl", [""]), "no decisions"),
        (write(tmp_path / "young.jsonl", [row()]), "not known yet"),
    ):
        with pytest.raises(DataRefused, match=says):
            ope.read_log(path)
    with pytest.raises(DataRefused, match="unknown reward"):
        ope.read_log(tmp_path / "young.jsonl", reward="joy")
