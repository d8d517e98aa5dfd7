"""What the re-ranker sees of a query and a product: evidence by field, place of the match, shape of the neighbourhood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from retrieval.collection import Collection
from retrieval.documents import Product, Vector
from retrieval.encoders import unit
from retrieval.text import tokens
from retrieval.vectors import Rows

FEATURES = (
    "cosine",  # of query and head
    "centred_cosine",  # the same after the catalogue's mean vector is taken away
    "bm25_head",
    "share_head",  # share of the query's idf that is matched
    "bm25_all",
    "share_all",
    "bm25_title",
    "share_title",
    "words_in_title",  # share of the query's words
    "phrase_in_title",  # the words stand together, in order
    "first_in_title",  # words before the first match; 30 without one
    "last_in_title",  # words after the last match
    "after_for",  # "case for phone": the match stands within four words after "for"
    "phrase_start",  # where the phrase begins, as a share of the title; 2 without it
    "phrase_rest",  # characters after the phrase; 300 without it
    "title_words",
    "described",  # share of the query's words at the beginning of the description
    "is_brand",  # share of the query's words that are the brand
    "price",  # log(1 + minor units)
    "attributes",  # how many are known
    "like_words",  # centred cosine with the mean of the products that match best by words
    "like_fused",  # the same for those that match best by words and meaning
)
_NEIGHBOURS = 15
_NONE_BEFORE, _NONE_START, _NONE_REST = 30.0, 2.0, 300.0
_BEGINNING = 60


def features(
    collection: Collection, vector: Vector, words: Sequence[str], rows: Rows, products: Sequence[Product]
) -> NDArray[np.float64]:
    """Float64 [len(rows), len(FEATURES)], for products that stand in these rows. Needs a dense collection of products."""
    if collection.dense is None or collection.mean is None:
        raise ValueError("features need vectors")
    title, head, everything = collection.fields["title"], collection.fields["head"], collection.lexical
    own = collection.dense.vectors[rows]
    cosine = own @ vector
    centred = unit(own - collection.mean)
    centred_query = unit((vector - collection.mean)[None])[0]
    bm25_head = head.scores(words, rows)
    share_head = bm25_head / head.bound(words)
    bm25_all, bm25_title = everything.scores(words, rows), title.scores(words, rows)
    columns = [
        cosine,
        centred @ centred_query,
        bm25_head,
        share_head,
        bm25_all,
        bm25_all / everything.bound(words),
        bm25_title,
        bm25_title / title.bound(words),
        *_places(words, products),
        np.asarray([math.log1p(product.price) for product in products]),
        np.asarray([len(product.attributes) for product in products]),
        _likeness(centred, bm25_head),
        _likeness(centred, cosine + 0.6 * share_head),
    ]
    return np.column_stack(columns).astype(np.float64)


def _likeness(centred: Vector, evidence: Vector) -> Vector:
    """Cosine of each row with the mean of those that have the most evidence (pseudo-relevance feedback, Rocchio 1971)."""
    best = np.argsort(-evidence, kind="stable")[:_NEIGHBOURS]
    return np.asarray(centred @ centred[best].mean(axis=0), dtype=np.float32)


def _places(words: Sequence[str], products: Sequence[Product]) -> list[NDArray[np.float64]]:
    wanted, phrase = set(words), " ".join(words)
    rows = [_place(wanted, phrase, product) for product in products]
    return list(np.asarray(rows, dtype=np.float64).reshape(len(products), -1).T)


def _place(wanted: set[str], phrase: str, product: Product) -> tuple[float, ...]:
    title = _words(product.title)
    text = " ".join(title)
    places = [place for place, word in enumerate(title) if word in wanted]
    start = text.find(phrase)
    found = start >= 0
    return (
        len(wanted.intersection(title)) / max(len(wanted), 1),
        float(found),
        float(places[0]) if places else _NONE_BEFORE,
        float(len(title) - 1 - places[-1]) if places else _NONE_BEFORE,
        float(any("for" in title[max(0, place - 4) : place] for place in places)),
        start / max(len(text), 1) if found else _NONE_START,
        float(len(text) - start - len(phrase)) if found else _NONE_REST,
        float(len(title)),
        len(wanted.intersection(_words(product.description[:_BEGINNING]))) / max(len(wanted), 1),
        len(wanted.intersection(_words(product.brand))) / max(len(wanted), 1),
    )


@lru_cache(maxsize=65_536)
def _words(text: str) -> tuple[str, ...]:
    return tuple(tokens(text))
