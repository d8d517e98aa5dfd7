from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from risk.anomaly import evaluate
from risk.anomaly.detector import NOTHING, Detector
from risk.anomaly.signals import SIGNALS, signals
from risk.anomaly.train import fit, population
from risk.anomaly.words import WORDS, in_words
from risk.errors import ArtefactRefused, DataRefused
from risk.types import ContactRecord, History, OrderRecord, ReturnRecord

DAY = 86_400_000
NOW = 1_795_000_000_000


def order(days_ago: float, number: str = "o", **more: bool) -> OrderRecord:
    at = NOW - round(days_ago * DAY)
    return OrderRecord(f"{number}-{days_ago}", at, at, 5000, 1, 1, **more)


def shop(customers: int = 150) -> dict[str, History]:
    """Customers who order every few weeks and send little back."""
    random = np.random.default_rng(0)
    found = {}
    for n in range(customers):
        orders = tuple(order(float(day), str(n)) for day in np.cumsum(random.exponential(25, 8)))
        returns = tuple(
            ReturnRecord(o.order_no, o.ts_event, o.ts_event, o.total) for o in orders if random.random() < 0.05
        )
        found[f"c{n}"] = History(orders=orders, returns=returns)
    return found


@pytest.fixture(scope="module")
def detector() -> Detector:
    rows, _ = population(shop(), NOW)
    return fit(rows)


ORDINARY = History(orders=(order(20), order(50), order(90)))


def test_an_ordinary_customer_is_not_unusual(detector: Detector) -> None:
    assert not detector.judge(ORDINARY, NOW).unusual
    assert detector.judge(None, NOW) == NOTHING
    assert detector.judge(History(), NOW) == NOTHING


def test_a_burst_of_orders_is_and_says_why(detector: Detector) -> None:
    found = detector.judge(replace(ORDINARY, orders=(*ORDINARY.orders, *(order(d / 4) for d in range(9)))), NOW)
    assert found.unusual
    assert found.rarity <= detector.gate
    assert found.signals[0].code in ("order_burst", "orders_week", "young_orders")
    assert 0 < found.signals[0].share < 0.05


def test_what_happened_or_became_known_later_does_not_count() -> None:
    late = order(3)
    later = replace(ORDINARY, orders=(*ORDINARY.orders, order(-2), replace(late, ts_ingested=NOW + DAY)))
    assert np.array_equal(signals(later, NOW), signals(ORDINARY, NOW), equal_nan=True)


def test_more_of_a_signal_is_never_less_unusual(detector: Detector) -> None:
    talks = [tuple(ContactRecord(NOW - d * DAY, NOW - d * DAY, None, True) for d in range(n)) for n in (0, 3, 6, 12)]
    scores = [detector.judge(replace(ORDINARY, contacts=some), NOW).score for some in talks]
    assert scores == sorted(scores)
    assert scores[-1] > 0


def test_tables_are_kept_and_damaged_ones_refused(detector: Detector, tmp_path: Path) -> None:
    path = tmp_path / "anomaly.json"
    detector.save(path)
    again = Detector.load(path)
    assert again.version == detector.version
    rows = np.stack([signals(ORDINARY, NOW)])
    assert again.scores(rows) == pytest.approx(detector.scores(rows), abs=1e-4)
    stored = json.loads(path.read_text(encoding="utf-8"))
    for broken in (
        "[]",
        "{",
        json.dumps(stored | {"gate": 2}),
        json.dumps(stored | {"total": {"points": [1, 0], "share": [1, 1]}}),
    ):
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(ArtefactRefused):
            Detector.load(path)


def test_the_shipped_tables_are_whole_and_every_signal_has_words() -> None:
    assert Detector.load().judge(ORDINARY, NOW).score >= 0
    assert set(WORDS) == set(SIGNALS)
    assert in_words("return_share", 0.5, 0.004) == {
        "en": "Share of orders sent back: 50 % (as many or more: 0.4 % of customers)",
        "zh": "退货订单占比 50 % (达到或超过者占顾客的 0.4 %)",
    }


def test_injected_abusers_stand_out_and_few_others_are_gated() -> None:
    found = evaluate.figures(shop(300), seed=0)
    assert found["auc"]["value"] > 0.8
    assert found["false_gate_rate"]["value"] < 0.05
    assert set(found["kinds"]) == {"burst", "returner", "coupons", "canceller", "complainer", "newcomer"}


def test_too_little_to_learn_from_is_refused() -> None:
    rows, _ = population({"a": ORDINARY}, NOW)
    with pytest.raises(DataRefused):
        fit(rows)
