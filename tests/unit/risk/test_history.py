"""History features and transactions: point in time, honest about what is unknown, strict about bad rows."""

from __future__ import annotations

import gzip
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from risk.calibration import logit
from risk.errors import DataRefused
from risk.explain import history_drivers
from risk.history import train, transactions
from risk.history.evaluate import until
from risk.history.features import DAY, DRIVERS, FEATURES, features
from risk.types import ContactRecord, History, OrderRecord, ReturnRecord, VisitRecord

NOW = 1_750_000_000_000


def _at(days: float) -> int:
    return int(NOW - days * DAY)


def _order(days: float, total: int = 1_000, **more: object) -> OrderRecord:
    return OrderRecord(f"o{days}", _at(days), _at(days), total, 1, 1, **more)  # type: ignore[arg-type]


def _named(history: History, as_of: int = NOW) -> dict[str, float]:
    return dict(zip(FEATURES, features(history, as_of).tolist(), strict=True))


def test_counts_and_times() -> None:
    f = _named(
        History(
            orders=(_order(100), _order(60), _order(20, 3_000)), returns=(ReturnRecord("o", _at(10), _at(10), 1_000),)
        )
    )
    assert (f["recency_days"], f["tenure_days"], f["orders"], f["orders_90d"]) == (20, 100, 3, 2)
    assert f["gap_mean"] == 40
    assert f["overdue_ratio"] == 0.5
    assert f["return_share"] == pytest.approx(0.2)
    assert f["return_days"] == 10


def test_the_unknown_is_nan_not_zero() -> None:
    assert all(math.isnan(v) for v in features(History(), NOW))
    once = _named(History(orders=(_order(20),)))
    assert math.isnan(once["gap_mean"])
    assert math.isnan(once["overdue_ratio"])
    assert math.isnan(once["csat_last"])


def test_nothing_after_as_of_counts_by_event_or_by_ingestion() -> None:
    known = History(orders=(_order(100), _order(50)), contacts=(ContactRecord(_at(30), _at(30), csat=2),))
    late_event = OrderRecord("x", NOW + 1, NOW + 1, 9_999)
    late_news = OrderRecord("y", _at(5), NOW + 1, 9_999)
    later = History(
        orders=(*known.orders, late_event, late_news),
        returns=(ReturnRecord("y", _at(1), NOW + 1, 500),),
        contacts=(*known.contacts, ContactRecord(_at(2), NOW + 9, csat=5, escalated=True)),
        visits=(VisitRecord(NOW + 1, NOW + 1), VisitRecord(_at(1), NOW + 1)),
    )
    np.testing.assert_array_equal(features(known, NOW), features(later, NOW))


def test_a_delivery_that_is_not_over_is_not_yet_late() -> None:
    pending = _named(History(orders=(_order(10, promised_at=_at(5), delivered_at=NOW + DAY),)))
    late = _named(History(orders=(_order(10, promised_at=_at(5), delivered_at=_at(1)),)))
    assert math.isnan(pending["late_share"])
    assert late["late_share"] == 1


def test_the_order_of_records_does_not_matter() -> None:
    orders = (_order(100), _order(60), _order(20, 3_000))
    np.testing.assert_array_equal(features(History(orders=orders), NOW), features(History(orders=orders[::-1]), NOW))


def test_cancellations_become_returns_and_anonymous_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID\n"
        "1,A,2,2025-01-01 10:00:00,3.5,7\n1,B,1,2025-01-01 10:00:00,1.0,7\nC2,A,-1,2025-01-05 10:00:00,3.5,7\n3,A,1,2025-01-06,1,\n"
    )
    histories = transactions.read(path, {})
    assert list(histories) == ["7"]
    (order,), (back,) = histories["7"].orders, histories["7"].returns
    assert (order.total, order.quantity, order.distinct_products) == (800, 3, 2)
    assert back.amount == 350


def test_coupons_and_delivery_dates_are_read_where_a_shop_has_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "customer,order,at,amount,coupon,promised,delivered\n"
        "7,1,2025-01-01,8,SPRING,2025-01-04,2025-01-06\n7,2,2025-02-01,8,no,,\n"
    )
    first, second = transactions.read(path, {})["7"].orders
    assert (first.coupon, second.coupon) == (True, False)
    assert first.promised_at is not None
    assert first.delivered_at == first.promised_at + 2 * DAY
    assert second.promised_at is None


@pytest.mark.parametrize("stamp", ["2025-03-01", "20250301", "2025-03-01T00:00:00Z", "3/1/2025 0:00", "2025/03/01"])
def test_common_forms_of_a_date_are_read(tmp_path: Path, stamp: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"who,when,spent\n1,{stamp},12.5\n")
    mapping = transactions.parse_mapping("customer=who,at=when,amount=spent")
    assert transactions.read(path, mapping)["1"].orders[0].ts_event == 1_740_787_200_000


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("customer,at,amount\n1,yesterday,3\n", 2),
        ("customer,at,amount\n1,2025-01-01,3\n1,2025-01-02,three\n", 3),
        ("customer,amount\n1,3\n", 1),
    ],
)
def test_a_bad_row_is_reported_with_its_line(tmp_path: Path, body: str, line: int) -> None:
    path = tmp_path / "t.csv"
    path.write_text(body)
    with pytest.raises(DataRefused, match=f"line {line}:"):
        transactions.read(path, {})


@pytest.mark.parametrize("mapping", ["customer", "colour=X", "customer="])
def test_a_bad_mapping_is_refused(mapping: str) -> None:
    with pytest.raises(DataRefused, match="--map"):
        transactions.parse_mapping(mapping)


def test_training_learns_only_from_finished_windows_and_repeats(transactions_file: Path) -> None:
    histories = transactions.read(transactions_file, {})
    _, end = train.span(histories)
    rows = train.snapshots(histories, train.moments(histories, 90))
    for days in train.windows(90):
        assert rows.over(days, end).as_of.max() + days * DAY <= end
    first, second = (train.train(histories, 90, seed=1) for _ in range(2))
    assert first.booster == second.booster
    np.testing.assert_array_equal(first.curve.point, second.curve.point)
    assert first.metrics["auc"] > 0.7


def test_what_happens_or_is_told_later_changes_no_training_row(transactions_file: Path) -> None:
    """The training set as of a moment is the same from a store that has grown since."""
    histories = transactions.read(transactions_file, {})
    first, end = train.span(histories)
    now = (first + end) // 2
    known = {name: cut for name, history in histories.items() if (cut := until(history, now)).orders}
    grown = {
        name: replace(
            history,
            orders=(*history.orders, OrderRecord("late", now - 40 * DAY, now + 1, 9_999)),
            returns=(ReturnRecord("late", now - 20 * DAY, now + 1, 9_999),),
            visits=(VisitRecord(now - DAY, now + 1),),
        )
        for name, history in histories.items()
        if name in known
    }
    before = train.train(known, 30, seed=1, now=now)
    after = train.train({name: until(history, now) for name, history in grown.items()}, 30, seed=1, now=now)
    assert before.booster == after.booster
    np.testing.assert_array_equal(before.rows.gap, after.rows.gap)
    for name, history in known.items():
        np.testing.assert_array_equal(features(history, now), features(grown[name], now))


def test_a_longer_silence_never_looks_better(transactions_file: Path) -> None:
    model = train.train(transactions.read(transactions_file, {}), 90, seed=1).model()
    regular = tuple(_order(days) for days in (90, 60, 30, 1))
    for orders in ((_order(1, 4_000),), regular):
        risks = [model.score(History(orders=orders), NOW + days * DAY).raw for days in range(0, 300, 3)]
        assert min(np.diff(risks)) > -1e-9
        assert risks[-1] > risks[0] + 0.1


def test_visits_count_where_the_shop_tells_of_them() -> None:
    f = _named(History(visits=tuple(VisitRecord(_at(days), _at(days)) for days in (3, 10, 45))))
    assert (f["visits_30d"], f["visit_days"]) == (2, 3)
    assert math.isnan(_named(History(orders=(_order(3),)))["visits_30d"])


def test_drivers_add_up_to_the_raw_logit(transactions_file: Path) -> None:
    model = train.train(transactions.read(transactions_file, {}), 90, seed=1).model()
    history = History(orders=tuple(_order(days) for days in (200, 150, 90, 80)))
    score = model.score(history, NOW)
    boosters = model.boosters
    shares, common = boosters.shares(features(history, NOW))
    np.testing.assert_allclose(shares, score.contributions)
    np.testing.assert_allclose(shares.sum() + common, boosters.logits(features(history, NOW)[None, :])[0], rtol=1e-9)
    drivers = history_drivers(score, float(logit(score.churn)))
    assert drivers
    assert {d.code for d in drivers} <= set(DRIVERS.values())
    assert len({d.code for d in drivers}) == len(drivers)
    assert set(FEATURES) - set(DRIVERS) == {"visits_30d", "visit_days"}


@pytest.mark.parametrize("row", ["nan,1", "1e400,1", "3,inf"])
def test_what_is_no_amount_is_refused_with_its_line(tmp_path: Path, row: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"customer,at,price,quantity\n1,2025-01-01,3,1\n1,2025-02-01,{row}\n")
    with pytest.raises(DataRefused, match=r"line 3: .* is a number, not"):
        transactions.read(path, {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "t.csv is empty"),
        ("customer,at,amount\n1,2020-01-01,3\n".encode("utf-16"), "is not UTF-8"),
        (b"customer,at,amount\n1,yesterday,3\n", "line 2: 'yesterday' is no time"),
        (b"customer,at,amount\n", "no purchase"),
    ],
)
def test_what_is_no_file_of_transactions_is_refused_in_words(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataRefused, match=said):
        transactions.read(path, {})


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('"customer","at","amount"\n1,2020-01-01,3\n', encoding="utf-8-sig")
    assert list(transactions.read(path, {})) == ["1"]


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"customer,at,amount\n" * 200)[:12] + b"\xff" * 40)
    with pytest.raises(DataRefused, match=r"cannot read t\.csv\.gz"):
        transactions.read(path, {})


def test_too_short_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("customer,at,amount\n1,2025-01-01,3\n1,2025-02-01,3\n")
    with pytest.raises(DataRefused, match="span"):
        train.train(transactions.read(path, {}), 90, seed=1)


def test_too_few_customers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("customer,at,amount\n1,2025-01-01,3\n1,2025-09-01,3\n2,2025-09-01,3\n")
    with pytest.raises(DataRefused, match="too few"):
        train.train(transactions.read(path, {}), 90, seed=1)
