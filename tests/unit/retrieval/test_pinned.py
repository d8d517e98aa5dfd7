"""A size, a number, a model or a brand that a customer names is not swapped for one like it."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.documents import SearchContext
from retrieval.pinned import pinned, stepped_back
from retrieval.text import content_words

BRANDS = {"norrva", "talmo"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trail shoes in size 42", ["42"]),
        ("a Norrva kettle, 1.7 l", ["norrva", "1.7"]),
        ("rain cover XL please", ["xl"]),
        ("a jacket, size M", ["m"]),
        ("冲锋衣 M 码", ["m"]),
        ("talmo 的锅 32 cm", ["talmo", "32"]),
        ("WH-1000XM4 headphones", ["wh-1000xm4", "1000xm4"]),
        ("2 mugs", []),
        ("size 8 shoes", ["8"]),
        ("a kettle under 50 euros", []),
        ("50 块钱以内的水壶", []),
        ("a warm blanket", []),
    ],
)
def test_what_is_meant_literally(text: str, expected: list[str]) -> None:
    assert pinned(content_words(text), BRANDS) == expected


def test_only_what_somebody_carries_counts() -> None:
    scores = np.asarray([0.8, 0.6], dtype=np.float32)
    carries = np.asarray([[False, False, True], [True, False, True]])
    assert stepped_back(scores, carries) == pytest.approx([0.6, 0.6])
    assert stepped_back(scores, np.zeros((2, 3), dtype=np.bool_)) == pytest.approx([0.8, 0.6])


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("hiking boots size 43", "boots-43"),
        ("hiking boots 41", "boots-41"),
        ("登山靴 43 码", "boots-43"),
        ("a Brenta kettle", "brenta"),
        ("norrva kettle", "norrva"),
        ("fleece jacket XL", "fleece-xl"),
        ("fleece jacket size M", "fleece-m"),
    ],
)
def test_the_named_one_comes_first(retriever_of, product_of, use, query: str, first: str) -> None:
    products = [
        *(
            product_of(0, "Hiking boots 登山靴", id=f"boots-{size}", attributes={"size": str(size)}, stock=1)
            for size in range(40, 46)
        ),
        product_of(0, "Glass kettle with lid", id="norrva", brand="Norrva"),
        product_of(0, "Steel kettle, stove top", id="brenta", brand="Brenta"),
        product_of(0, "Copper kettle", id="talmo", brand="Talmo"),
        *(
            product_of(0, "Fleece jacket", id=f"fleece-{size}", attributes={"size": size.upper()})
            for size in ("s", "m", "l", "xl")
        ),
        *(product_of(number, f"garden lantern number {number}") for number in range(100, 140)),
    ]
    retriever = retriever_of([], products, use)
    for band in ("low", "high"):
        context = SearchContext("product", "en", k=4, band=band)  # type: ignore[arg-type]
        assert retriever.search(use.encode([query])[0], query, context)[0].id == first
    assert retriever.search(None, query, SearchContext("product", "en", k=4))[0].id == first


def test_a_brand_that_is_mostly_a_word_is_none(retriever_of, product_of, hashing) -> None:
    products = [
        product_of(1, "Orange phone", brand="Orange"),
        product_of(2, "Orange juice press"),
        product_of(3, "Orange blanket"),
        product_of(4, "Norrva kettle", brand="Norrva"),
        product_of(5, "Fjell lid", brand="Norrva"),
    ]
    snapshot = retriever_of([], products, hashing).snapshot
    assert snapshot.collections["product"].brands == {"norrva"}
