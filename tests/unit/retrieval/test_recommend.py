"""The recommender: point-in-time evidence, learned from the past alone, never what was returned."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from retrieval import baskets, factors
from retrieval.errors import BadSnapshot
from retrieval.recommend import DAY_MS, FEATURES, Purchase, Recommender, evidence

START = 1_700_000_000_000
WINDOW = 30 * DAY_MS
END = START + 8 * WINDOW


@pytest.fixture(scope="module")
def orders() -> dict[str, list[Purchase]]:
    """Tea drinkers and coffee drinkers who come back monthly for what they drink, and sometimes try something else."""
    random = np.random.default_rng(5)
    found: dict[str, list[Purchase]] = {}
    for number in range(80):
        taste = "tea" if number % 2 else "coffee"
        staple = f"{taste}{random.integers(0, 5)}"
        lines = []
        for month in range(8):
            at = START + month * WINDOW + int(random.integers(0, 25)) * DAY_MS
            things = {staple, f"{taste}{random.integers(0, 10)}", f"gadget{random.integers(0, 30)}"}
            lines += [Purchase(thing, f"o{number}-{month}", at) for thing in sorted(things)]
        found[f"c{number}"] = lines
    return found


@pytest.fixture(scope="module")
def recommender(orders: dict[str, list[Purchase]]) -> Recommender:
    return baskets.learn(orders, END - WINDOW, WINDOW)


def test_the_blend_beats_popularity_on_the_next_basket(orders: dict[str, list[Purchase]]) -> None:
    answer = baskets.evaluate(orders, END - WINDOW, END, WINDOW)
    assert answer["n_customers"] == 80
    assert set(answer["ndcg@10"]) == set(baskets.WAYS)
    assert answer["gain"]["ndcg@10"]["popularity"]["low"] > 0
    assert answer["ndcg@10"]["blend"] >= answer["ndcg@10"]["als"]
    assert 0 < answer["coverage"]["popularity"] < answer["coverage"]["blend"] <= 1


def test_staples_come_first_and_returned_things_never(
    orders: dict[str, list[Purchase]], recommender: Recommender
) -> None:
    history = [one for one in orders["c1"] if one.at_ms < END - WINDOW]
    ranked = recommender.rank(history, END - WINDOW, 5)
    assert ranked[0][0].startswith("tea")
    assert [score for _, score in ranked] == sorted((score for _, score in ranked), reverse=True)
    without = recommender.rank(history, END - WINDOW, 5, exclude={ranked[0][0], "unknown"})
    assert ranked[0][0] not in dict(without)
    assert len(without) == 5


def test_a_stranger_gets_what_is_popular(recommender: Recommender) -> None:
    ranked = recommender.rank([], END, 3)
    popular = {recommender.knowledge.products[number] for number in np.argsort(-recommender.knowledge.ever)[:12]}
    assert {name for name, _ in ranked} <= popular


def test_evidence_never_sees_the_future(orders: dict[str, list[Purchase]], recommender: Recommender) -> None:
    now = START + 3 * WINDOW
    index = recommender.knowledge.index()
    past = [one for one in orders["c2"] if one.at_ms < now]
    full = evidence(recommender.knowledge, index, orders["c2"], now)
    cut = evidence(recommender.knowledge, index, past, now)
    assert np.array_equal(full.features, cut.features)
    assert full.features.shape == (len(index), len(FEATURES))
    assert np.isfinite(full.features).all()


def test_what_a_customer_is_likely_to_buy_is_named_by_share(orders, recommender: Recommender) -> None:
    history = [one for one in orders["c1"] if one.at_ms < END]
    own = recommender.own(history, END)
    staple, score = recommender.rank(history, END, 1)[0]
    assert own[staple] == 1.0
    assert score > 0
    assert all(0.0 < share <= 1.0 for share in own.values())
    assert recommender.own([], END) == {}
    assert recommender.own([Purchase("unknown", "1", START)], END) == {}
    assert recommender.own([Purchase(staple, "1", END + 1)], END) == {}  # not yet


def test_only_what_is_used_up_and_bought_again_is_shown_again(recommender: Recommender) -> None:
    known = recommender.knowledge
    again = {
        name: (float(share), int(ever))
        for name, share, ever in zip(known.products, known.again, known.ever, strict=True)
    }
    consumable = next(name for name, (share, ever) in again.items() if share >= 0.5 and ever >= 5)
    durable = next(name for name, (share, _ever) in again.items() if share < 0.5)
    month, week = END - 30 * DAY_MS, END - 7 * DAY_MS
    once = [Purchase(name, "1", month) for name in (consumable, durable, "unknown")]
    assert recommender.repeatable(once, END) == {consumable}
    assert recommender.repeatable([*once, Purchase(consumable, "2", week)], END) == set()
    assert recommender.repeatable([*once, Purchase("unknown", "2", month)], END) == {consumable, "unknown"}


def test_without_implicit_the_same_is_learned(orders, monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = baskets.learn(orders, END, WINDOW)
    monkeypatch.setattr(factors, "has_implicit", lambda: False)
    without = baskets.learn(orders, END, WINDOW)
    assert np.allclose(np.sort(with_it.knowledge.similarity), np.sort(without.knowledge.similarity), atol=1e-5)
    shared = []
    for customer, lines in orders.items():
        one, other = ({name for name, _ in made.rank(lines, END, 10)} for made in (with_it, without))
        shared.append(len(one & other) / max(len(one), 1))
        assert customer
    assert np.mean(shared) > 0.7


def test_saved_and_opened_it_ranks_the_same(orders, recommender: Recommender, tmp_path: Path) -> None:
    folder = tmp_path / "recommender"
    recommender.save(folder)
    recommender.save(folder)
    again = Recommender.open(folder)
    history = orders["c3"]
    assert again.rank(history, END, 5) == recommender.rank(history, END, 5)
    (folder / "knowledge.npz").write_bytes(b"broken")
    with pytest.raises(BadSnapshot, match="damaged"):
        Recommender.open(folder)


def test_order_files_are_read_with_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(
        "Invoice,Code,Qty,Date,Who\n1,A,2,2026-01-02 10:00:00,7\n1,B,1,2026-01-02 10:00:00,7\nC2,A,-1,2026-01-03,7\n"
        "3,A,1,never,7\n4,A,1,2026-01-04,\n5,C,1,2026-01-01T09:00:00+01:00,7\n",
        encoding="utf-8",
    )
    mapping = baskets.parse_mapping(["customer=Who,order=Invoice", "product=Code,date=Date"])
    found, faults = baskets.load_orders(path, mapping)
    assert [(one.product, one.order) for one in found["7"]] == [("C", "5"), ("A", "1"), ("B", "1")]
    assert [fault.line for fault in faults] == [5]
    assert baskets.load_orders(path, {"customer": "Who", "product": "Code"})[0] == found  # the others are guessed
    with pytest.raises(ValueError, match="customer"):
        baskets.load_orders(path, {})
    with pytest.raises(ValueError, match="nope"):
        baskets.load_orders(path, {**mapping, "at": "Nope"})
    with pytest.raises(ValueError, match="the columns are Invoice, Code, Qty, Date, Who"):
        baskets.load_orders(path, {**mapping, "at": "Nope"})
    with pytest.raises(ValueError, match="colour"):
        baskets.parse_mapping(["colour=Red"])


def test_bad_lines_of_an_order_file_never_stop_the_good_ones(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.gz"
    lines = [
        "customer;order;product;at;quantity",
        "c1;o1;a;2026-01-02;1",
        "c1;o2;b;2026-01-03",
        "c1;o3;c;2026-01-04;many",
        "c1;o4;d;2026-01-05;1;more",
        "c1;o5;e;2026-01-06;2",
        'c1;"o6;f;2026-01-07;1',
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    found, faults = baskets.load_orders(path, {})
    assert [one.product for one in found["c1"]] == ["a", "e"]
    assert [(fault.line, fault.reason.partition(":")[0]) for fault in faults] == [
        (3, "4 fields where the header has 5"),
        (4, "quantity 'many' is not a number"),
        (5, "6 fields where the header has 5"),
        (7, "not CSV"),
    ]


@pytest.mark.parametrize(
    ("texts", "dates"),
    [
        (["2026-03-01", "2026-03-01T10:00:00+02:00"], ["2026-03-01T00:00", "2026-03-01T08:00"]),
        (["12/1/2010 8:26", "12/13/2010 8:26"], ["2010-12-01T08:26", "2010-12-13T08:26"]),
        (["1/12/2010 8:26", "13/12/2010 8:26"], ["2010-12-01T08:26", "2010-12-13T08:26"]),
        (["01-12-2010 08:26", "02-12-2010 08:26", "01.12.2010"], ["2010-12-01T08:26", "2010-12-02T08:26", None]),
        (["1291191960000", "1291191960"], ["2010-12-01T08:26", "2010-12-01T08:26"]),
        (["31/31/2010", "soon", ""], [None, None, None]),
    ],
)
def test_days_and_months_are_told_apart_by_the_whole_file(texts: list[str], dates: list[str | None]) -> None:
    read = baskets.read_times(texts)
    assert [read.get(text) for text in texts] == [
        None if date is None else int(datetime.fromisoformat(f"{date}+00:00").timestamp() * 1_000) for date in dates
    ]


def test_nobody_to_ask_is_said(orders: dict[str, list[Purchase]]) -> None:
    with pytest.raises(ValueError, match="nobody"):
        baskets.evaluate(orders, END + WINDOW, END + 2 * WINDOW, WINDOW)
