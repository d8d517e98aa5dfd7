"""What is recommended: what was asked for, in stock, in the light of what was bought; never what was just sent back."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from assistant.turns import picks
from assistant.turns.finder import Finder
from assistant.turns.shopping import Shopping
from assistant.turns.wanted import Wanted
from retrieval import baskets, store
from retrieval.documents import Candidate, Product, Script, SearchContext
from retrieval.encoders import load
from retrieval.recommend import DAY_MS, Purchase, Recommender
from retrieval.search import Retriever
from retrieval.wishes import wish

NOW = 1_700_000_000_000
WINDOW = 30 * DAY_MS


def product(name: str, category: str, **more: Any) -> Product:
    return Product(name, "en", name.replace("-", " "), category=category, price=1000, stock=5, **more)


PRODUCTS = [
    *(product(f"green-tea-{n}", "tea") for n in range(4)),
    *(product(f"coffee-beans-{n}", "coffee") for n in range(4)),
    *(product(f"steel-kettle-{n}", "kettles") for n in range(3)),
    product("tea-towel", "towels"),
    product("oolong-tea", "tea", regions=("US",)),
]
RECOMMEND = Script(
    "product/find-2@en",
    "product/find-2",
    "en",
    "Recommend",
    "These could suit you: {{ product_list }}.",
    "recommendation",
    "recommend",
    examples=("show me your best ones", "suggest a few"),
    slots=("product_list",),
)

ASK = dataclasses.replace(
    RECOMMEND, id="product/find-1@en", family="product/find-1", text="What is it for?", stage="clarify", slots=()
)
SAYABLE = SearchContext("script", "en", k=10, known=frozenset({"product_list"}))


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    return Retriever(store.build(tmp_path_factory.mktemp("index"), [ASK, RECOMMEND], PRODUCTS, load("hash")))


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    """Tea drinkers and coffee drinkers who come back every month; kettles are bought once."""
    random = np.random.default_rng(3)
    orders: dict[str, list[Purchase]] = {}
    for number in range(60):
        taste = "green-tea" if number % 2 else "coffee-beans"
        lines = []
        for month in range(8):
            at = NOW - (8 - month) * WINDOW + int(random.integers(0, 20)) * DAY_MS
            things = {f"{taste}-{number % 4}", f"{taste}-{random.integers(0, 4)}"}
            things |= {f"steel-kettle-{number % 3}"} if month == 0 else set()
            lines += [Purchase(thing, f"o{number}-{month}", at) for thing in sorted(things)]
        orders[f"c{number}"] = lines
    return baskets.learn(orders, NOW, WINDOW)


def wanted(text: str, *, shopping: Shopping | None = None, **more: Any) -> Wanted:
    values: dict[str, Any] = {"band": "low", "reasons": ()} | more
    return Wanted(
        site_id="s",
        text=text,
        vector=load("hash").encode([text])[0],
        language="en",
        region="DE",
        known=frozenset(),
        product_slots=frozenset(),
        verified=True,
        has_order=False,
        shopping=shopping or Shopping(),
        at=NOW,
        **values,
    )


def asked_for(retriever: Retriever, recommender: Recommender | None, turn: Wanted) -> list[Candidate]:
    named = wish(turn.text)
    asked = picks.Asked(named.text, load("hash").encode([named.text])[0], named.limit)
    return picks.asked_for(retriever, recommender, turn, [asked])


def bought(*names: str, days: int = 40, **more: Any) -> Shopping:
    purchases = tuple(Purchase(name, f"o{n}", NOW - days * DAY_MS) for n, name in enumerate(names))
    return Shopping(purchases=purchases, **more)


def ids(found: list[Candidate]) -> list[str]:
    return [candidate.id for candidate in found]


def test_what_they_drink_comes_first_among_what_was_asked_for(retriever: Retriever, recommender: Recommender) -> None:
    tea = bought("green-tea-2", "green-tea-2")
    found = asked_for(retriever, recommender, wanted("green tea", shopping=tea))
    assert found[0].id == "green-tea-2"
    assert "history" in found[0].why
    assert [one.rank for one in found] == list(range(len(found)))
    assert len(found) <= picks.SHOWN
    calm = asked_for(retriever, recommender, wanted("coffee beans", shopping=tea))
    assert all(one.id.startswith("coffee") for one in calm[:2])  # a taste for tea does not answer a question for coffee


def test_at_high_risk_it_is_the_conversation_alone(retriever: Retriever, recommender: Recommender) -> None:
    asked = wanted("green tea", shopping=bought("coffee-beans-1"), band="high")
    assert ids(asked_for(retriever, recommender, asked)) == ids(
        asked_for(retriever, None, dataclasses.replace(asked, shopping=Shopping()))
    )


@pytest.mark.parametrize(
    ("shopping", "more", "gone"),
    [
        (bought("steel-kettle-0"), {}, "steel-kettle-0"),  # nobody needs a second kettle
        (bought("green-tea-1", days=3), {}, "green-tea-1"),  # still there
        (bought(returned=frozenset({"green-tea-1"})), {}, "green-tea-1"),
        (bought("green-tea-1", returned=frozenset({"green-tea-1"})), {}, "green-tea-1"),  # even a consumable
        (bought("green-tea-1", spoken_of=frozenset({"green-tea-1"})), {"reasons": ("quality",)}, "green-tea-1"),
        (bought("green-tea-1", spoken_of=frozenset({"green-tea-1"})), {"band": "elevated"}, "green-tea-1"),
    ],
)
def test_what_must_not_be_shown_again(
    retriever: Retriever, recommender: Recommender, shopping: Shopping, more: dict[str, Any], gone: str
) -> None:
    text = gone.rsplit("-", 1)[0].replace("-", " ")
    for learned in (recommender, None):
        found = ids(asked_for(retriever, learned, wanted(text, shopping=shopping, **more)))
        assert found
        assert gone not in found


def test_a_consumable_comes_back_when_it_is_used_up(retriever: Retriever, recommender: Recommender) -> None:
    asked = wanted("green tea", shopping=bought("green-tea-1"))
    assert "green-tea-1" in ids(asked_for(retriever, recommender, asked))
    assert "green-tea-1" not in ids(asked_for(retriever, None, asked))


def test_a_guest_is_not_shown_what_the_guest_complains_of(retriever: Retriever) -> None:
    text = "the steel kettle 1 leaks"
    assert "steel-kettle-1" in ids(asked_for(retriever, None, wanted(text)))
    assert "steel-kettle-1" not in ids(asked_for(retriever, None, wanted(text, reasons=("quality",))))


def test_who_asks_for_anything_good_gets_what_fits_or_what_is_popular(
    retriever: Retriever, recommender: Recommender
) -> None:
    scripts = [Candidate(RECOMMEND, 0, 0.9)]
    tea = picks.unasked(
        retriever, recommender, wanted("suggest a few", shopping=bought("green-tea-1")), scripts, SAYABLE
    )
    guest = picks.unasked(retriever, recommender, wanted("show me your best ones"), scripts, SAYABLE)
    assert tea[0].id.startswith("green-tea")
    assert tea[0].why == ("history",)
    assert [one.why for one in guest] == [("popular",)] * len(guest)
    assert len({one.document.category for one in guest if isinstance(one.document, Product)}) == picks.SHOWN
    assert [one.rank for one in guest] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "more", "script"),
    [
        ("suggest a violin", {}, RECOMMEND),  # popular teas are no answer to that
        ("suggest a few", {"band": "high"}, RECOMMEND),
        ("suggest a few", {}, dataclasses.replace(RECOMMEND, intent="stock")),
    ],
)
def test_nothing_is_made_up_for_a_question_that_means_something_else(
    retriever: Retriever, recommender: Recommender, text: str, more: dict[str, Any], script: Script
) -> None:
    assert picks.unasked(retriever, recommender, wanted(text, **more), [Candidate(script, 0, 0.9)], SAYABLE) == []
    assert picks.unasked(retriever, recommender, wanted(text, **more), [], SAYABLE) == []
    assert picks.unasked(retriever, None, wanted("suggest a few"), [Candidate(RECOMMEND, 0, 0.9)], SAYABLE) == []


async def test_a_turn_that_asks_for_anything_good_finds_products_and_words_for_them(
    retriever: Retriever, recommender: Recommender
) -> None:
    class Everywhere:
        def for_site(self, site_id: str) -> Retriever:
            return retriever

        def version(self, site_id: str) -> str:
            return "1"

        def recommender(self, site_id: str) -> Recommender:
            return recommender

    finder = Finder(Everywhere(), load("hash"), deadline_ms=10_000, recommenders=Everywhere())
    asked = dataclasses.replace(wanted("suggest a few"), product_slots=frozenset({"product_list"}))
    found = await finder.find(asked)
    finder.close()
    assert len(found.products) == picks.SHOWN
    assert {candidate.id for candidate in found.scripts} == {ASK.id, RECOMMEND.id}
