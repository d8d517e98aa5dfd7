"""What comes back from a search: eligible, in the right language, for a stated reason, whatever is missing."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
import pytest

from retrieval import store
from retrieval.documents import Limit, Product, SearchContext
from retrieval.eligibility import holds
from retrieval.errors import NoSnapshot
from retrieval.search import Retriever

SCRIPT = SearchContext("script", "en", k=3)
PRODUCT = SearchContext("product", "en", k=3)


def ids(candidates: list[Any]) -> list[str]:
    return [candidate.id for candidate in candidates]


@pytest.mark.parametrize(
    ("query", "locale", "expected"),
    [
        ("where is my parcel?", "en", "delivery/where@en"),
        ("我的包裹在哪里", "zh", "delivery/where@zh"),
        ("where is my parcel?", "zh", "delivery/where@zh"),
        ("包裹到哪了", "en", "delivery/where@en"),
        ("this costs too much", "zh", "price/match@zh"),
        ("把我的账号注销掉", "en", "account/delete@en"),
    ],
)
def test_a_question_finds_its_script_in_both_languages(
    retriever_of, playbook_scripts, use, query: str, locale: str, expected: str
) -> None:
    retriever = retriever_of(playbook_scripts, [], use)
    found = retriever.search(use.encode([query])[0], query, SearchContext("script", locale, k=3))
    assert found[0].id == expected
    assert [candidate.rank for candidate in found] == list(range(len(found)))
    assert len({candidate.document.family for candidate in found}) == len(found)
    assert 0.0 <= found[0].score <= 1.0
    assert found[0].why


def test_without_a_vector_words_alone_find_it(retriever_of, playbook_scripts, use) -> None:
    retriever = retriever_of(playbook_scripts, [], use)
    found = retriever.search(None, "I want to track my order", SCRIPT)
    assert found[0].id == "delivery/where@en"
    assert "dense" not in found[0].sources
    assert "matched:track" in found[0].why
    broken = np.full(use.dim, np.nan, dtype=np.float32)
    assert ids(retriever.search(broken, "I want to track my order", SCRIPT)) == ids(found)


def test_a_lexical_index_is_marked_degraded(retriever_of, playbook_scripts) -> None:
    retriever = retriever_of(playbook_scripts, [], None)
    assert retriever.degraded == ("lexical_only",)
    assert retriever.ready
    assert (
        retriever.search(np.ones(512, dtype=np.float32), "注销账号", SearchContext("script", "zh"))[0].id
        == "account/delete@zh"
    )


def test_no_index_is_said_not_hidden() -> None:
    retriever = Retriever(None)
    assert (retriever.ready, retriever.degraded) == (False, ("no_index",))
    with pytest.raises(NoSnapshot):
        retriever.search(None, "x", SCRIPT)


def test_a_vector_of_another_encoder_is_refused(retriever_of, playbook_scripts, hashing) -> None:
    retriever = retriever_of(playbook_scripts, [], hashing)
    with pytest.raises(ValueError, match="256-d"):
        retriever.search(np.ones(3, dtype=np.float32), "x", SCRIPT)


@pytest.mark.parametrize(
    ("fields", "context", "eligible"),
    [
        ({"bands": ("high",)}, {"band": "high"}, True),
        ({"bands": ("high",)}, {"band": "low"}, False),
        ({"stage": "close"}, {"stages": ("close", "greet")}, True),
        ({"stage": "close"}, {"stages": ("greet",)}, False),
        ({"slots": ("order_no",)}, {"known": frozenset({"order_no", "name"})}, True),
        ({"slots": ("order_no", "eta")}, {"known": frozenset({"order_no"})}, False),
        ({"conditions": {"verified": True}}, {"facts": {"verified": True}}, True),
        ({"conditions": {"verified": True}}, {"facts": {}}, False),
        ({"stage": "win_back", "reasons": ("price",)}, {"reasons": ("quality",)}, False),
        ({"stage": "win_back", "reasons": ("price",)}, {"reasons": ("quality", "price")}, True),
        ({"stage": "win_back", "reasons": ("price",)}, {"reasons": ()}, True),
        ({"stage": "fix", "reasons": ("price",)}, {"reasons": ("quality",)}, True),
        ({}, {"exclude": frozenset({"a/b@en"})}, False),
        ({}, {"exclude": frozenset({"a/b"})}, False),
        ({}, {"locale": "fr"}, False),
        ({}, {"locale": "en-GB"}, True),
    ],
)
def test_eligibility_of_scripts(
    retriever_of, scripts_of, hashing, fields: dict[str, Any], context: dict[str, Any], eligible: bool
) -> None:
    retriever = retriever_of(scripts_of("a/b", ["hello there"], ["你好"], **fields), [], hashing)
    found = retriever.search(hashing.encode(["hello there"])[0], "hello there", dataclasses.replace(SCRIPT, **context))
    assert ids(found) == (["a/b@en"] if eligible else [])


@pytest.mark.parametrize(
    ("wanted", "fact", "met"),
    [
        (True, True, True),
        (True, None, False),
        (False, None, True),
        (False, True, False),
        ("vip", "vip", True),
        (["vip", "gold"], "gold", True),
        (["vip", "gold"], None, False),
        ({"min": 3, "max": 5}, 4, True),
        ({"min": 3}, 2, False),
        ({"max": 3}, 4, False),
        ({"min": 3}, None, False),
        ({"min": 3}, "many", False),
        ({"not": "DE"}, "AT", True),
        ({"not": "DE"}, "DE", False),
    ],
)
def test_conditions(wanted: Any, fact: Any, met: bool) -> None:
    assert holds(wanted, fact) is met


def test_a_matching_reason_helps_and_is_named(retriever_of, scripts_of, hashing) -> None:
    scripts = [
        *scripts_of("a/price", ["i am unhappy"], ["不满意"], reasons=("price",)),
        *scripts_of("b/quality", ["i am unhappy"], ["不满意"], reasons=("quality",)),
    ]
    retriever = retriever_of(scripts, [], hashing)
    found = retriever.search(
        hashing.encode(["unhappy"])[0], "unhappy", dataclasses.replace(SCRIPT, reasons=("quality",))
    )
    assert ids(found) == ["b/quality@en", "a/price@en"]
    assert "reason:quality" in found[0].why
    assert found[0].sources["reason"] == 1.0


def catalogue_of(product_of, count: int) -> list[Product]:
    return [
        product_of(
            number,
            f"{['mug', 'lamp', 'chair', 'shirt', 'knife'][number % 5]} model {number}",
            stock=number % 4,
            regions=("DE",) if number % 3 == 0 else (),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("limit", "found"),
    [
        (Limit(None, 60.0), {"plain", "yen"}),
        (Limit(None, 60.0, "EUR"), {"plain", "yen"}),
        (Limit(60.005, None, "EUR"), {"dear", "yen"}),
        (Limit(40.0, 59.99), {"yen"}),
        (Limit(None, 60.0, "USD"), {"plain", "dear", "yen"}),  # nobody here can convert
        (Limit(None, 55.0, "JPY"), {"plain", "dear", "yen"}),
        (Limit(None, 10.0, "JPY"), {"plain", "dear"}),
        (Limit(None, 1.0), set()),
    ],
)
def test_products_cost_what_is_allowed(retriever_of, product_of, hashing, limit: Limit, found: set[str]) -> None:
    products = [
        dataclasses.replace(product_of(1, "a mug"), id="plain", price=6_000, currency="EUR"),
        dataclasses.replace(product_of(2, "the other mug"), id="dear", price=6_001, currency="EUR"),
        dataclasses.replace(product_of(3, "mug from far away"), id="yen", price=50, currency="JPY"),
    ]
    retriever = retriever_of([], products, hashing)
    context = dataclasses.replace(PRODUCT, k=3, limit=limit)
    assert set(ids(retriever.search(hashing.encode(["mug"])[0], "mug", context))) == found
    assert set(ids(retriever.named(["plain", "dear", "yen"], context))) == found


def test_products_are_in_stock_sold_here_and_not_excluded(retriever_of, product_of, hashing) -> None:
    products = catalogue_of(product_of, 200)
    retriever = retriever_of([], products, hashing)
    excluded = frozenset({"p5", "p10", "unknown"})
    context = dataclasses.replace(PRODUCT, k=20, region="FR", exclude=excluded)
    found = retriever.search(hashing.encode(["mug model"])[0], "mug model", context)
    assert len(found) == 20
    for candidate in found:
        assert isinstance(candidate.document, Product)
        assert candidate.document.stock > 0
        assert not candidate.document.regions
        assert candidate.id not in excluded
    german = retriever.search(
        hashing.encode(["mug model 15"])[0], "mug model 15", dataclasses.replace(PRODUCT, region="DE")
    )
    assert german[0].id == "p15"
    assert "region:DE" in german[0].why


def test_a_filter_that_leaves_one_percent_still_gives_k(retriever_of, product_of, hashing) -> None:
    products = [product_of(number, regions=("NZ",) if number % 100 == 0 else ("DE",)) for number in range(2_000)]
    retriever = retriever_of([], products, hashing)
    found = retriever.search(
        hashing.encode(["thing number 77"])[0], "thing 77", dataclasses.replace(PRODUCT, k=10, region="NZ")
    )
    assert len(found) == 10
    assert all(int(candidate.id[1:]) % 100 == 0 for candidate in found)


def test_locale_variants_of_a_product_are_one(retriever_of, product_of, hashing) -> None:
    products = [product_of(1, "red mug"), product_of(1, "红色杯子", locale="zh"), product_of(2, "blue lamp")]
    retriever = retriever_of([], products, hashing)
    found = retriever.search(hashing.encode(["mug"])[0], "mug", SearchContext("product", "zh", k=5))
    assert [candidate.document.title for candidate in found] == ["红色杯子", "blue lamp"]
    assert ids(retriever.search(None, "杯子", dataclasses.replace(PRODUCT, exclude=frozenset({"p1"})))) == []


def test_near_duplicates_are_folded_unless_nothing_else_is_left(retriever_of, product_of, hashing) -> None:
    same = [product_of(number, "steel bottle 500 ml") for number in range(4)]
    retriever = retriever_of(
        [], [*same, product_of(9, "steel bottle for kids"), product_of(10, "garden chair")], hashing
    )
    query = hashing.encode(["steel bottle"])[0]
    found = retriever.search(query, "steel bottle", dataclasses.replace(PRODUCT, band="high"))
    titles = [candidate.document.title for candidate in found]
    assert titles.count("steel bottle 500 ml") == 1
    assert len(retriever.search(query, "steel bottle", dataclasses.replace(PRODUCT, k=6, band="high"))) == 6


def test_low_risk_gets_variety_and_high_risk_the_most_relevant(retriever_of, product_of, use) -> None:
    colours = ["blue", "red", "green", "black", "white", "yellow"]
    products = [product_of(number, f"running shoes for men, {colour}") for number, colour in enumerate(colours)]
    products += [product_of(20, "walking boots"), product_of(21, "sports socks"), product_of(22, "garden chair")]
    retriever = retriever_of([], products, use)
    query = "running shoes"
    vector = use.encode([query])[0]
    high = retriever.search(vector, query, dataclasses.replace(PRODUCT, k=4, band="high"))
    low = retriever.search(vector, query, dataclasses.replace(PRODUCT, k=4, band="low"))
    assert high[0].id == low[0].id
    assert [one.score for one in high] == sorted((one.score for one in high), reverse=True)
    assert {"p20", "p21"}.isdisjoint(ids(high))
    assert {"p20", "p21"} & set(ids(low))
    assert "p22" not in ids(low)


def test_by_intent_gives_eligible_scripts_of_that_intent(retriever_of, scripts_of, hashing) -> None:
    scripts = scripts_of("greet/a", ["hi"], ["嗨"], intent="greet") + scripts_of(
        "other/b", ["x"], ["某"], intent="other"
    )
    retriever = retriever_of(scripts, [], hashing)
    assert ids(retriever.by_intent("greet", SearchContext("script", "zh"))) == ["greet/a@zh"]
    assert retriever.by_intent("greet", SearchContext("script", "zh", exclude=frozenset({"greet/a"}))) == []


def test_swapping_under_load_fails_no_search(tmp_path, product_of, hashing) -> None:
    first = store.build(tmp_path, [], [product_of(number) for number in range(50)], hashing)
    second = store.build(tmp_path, [], [product_of(number) for number in range(50, 120)], hashing)
    retriever = Retriever(first)
    vector = hashing.encode(["thing number 7"])[0]
    failures: list[BaseException] = []
    answered = 0
    stop = threading.Event()

    def ask() -> None:
        nonlocal answered
        while not stop.is_set():
            try:
                found = retriever.search(vector, "thing number 7", PRODUCT)
                numbers = {int(candidate.id[1:]) for candidate in found}
                assert len(found) == 3
                assert max(numbers) < 50 or min(numbers) >= 50
                answered += 1
            except BaseException as failure:
                failures.append(failure)
                return

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(100):
        retriever.swap(second if turn % 2 else first)
        stop.wait(0.005)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert answered > 100


def test_history_lifts_what_is_relevant_only_as_far_as_risk_allows(retriever_of, product_of, use) -> None:
    titles = ("Steel kettle", "Glass kettle", "Copper kettle", "Wool blanket")
    kettles = [dataclasses.replace(product_of(n), title=title, category=title) for n, title in enumerate(titles)]
    retriever = retriever_of([], kettles, use)
    query = "kettle"
    vector = use.encode([query])[0]
    plain = retriever.search(vector, query, dataclasses.replace(PRODUCT, band="high", k=4))
    last, blanket = plain[2].id, next(one.id for one in plain if one.document.title == "Wool blanket")
    own = {last: 1.0, blanket: 1.0}
    low = retriever.search(vector, query, dataclasses.replace(PRODUCT, band="low", own=own))
    high = retriever.search(vector, query, dataclasses.replace(PRODUCT, band="high", own=own, k=4))
    assert low[0].id == last
    assert "history" in low[0].why
    assert low[0].sources["history"] == 1.0
    assert blanket not in ids(low)  # what they like is not what they asked for
    assert ids(high) == ids(plain)
    assert all("history" not in one.why for one in high)


def test_products_are_fetched_by_name_where_they_are_eligible(retriever_of, product_of, hashing) -> None:
    products = [
        dataclasses.replace(product_of(0), id="here"),
        dataclasses.replace(product_of(1), id="sold-out", stock=0),
        dataclasses.replace(product_of(2), id="elsewhere", regions=("US",)),
        dataclasses.replace(product_of(3), id="also"),
    ]
    retriever = retriever_of([], products, hashing)
    context = dataclasses.replace(PRODUCT, region="DE", own={"also": 0.4})
    found = retriever.named(["also", "unknown", "sold-out", "elsewhere", "here"], context)
    assert ids(found) == ["also", "here"]
    assert found[0].score == 0.4
    assert ids(retriever.named(["also", "here"], dataclasses.replace(context, k=1))) == ["also"]
    assert ids(retriever.named(["also", "here"], dataclasses.replace(context, exclude=frozenset({"also"})))) == ["here"]
    with pytest.raises(NoSnapshot):
        Retriever(None).named(["also"], context)
