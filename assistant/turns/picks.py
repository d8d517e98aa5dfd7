"""Products for a turn: what the conversation asks for, in the light of what this customer has bought; and what is left out.

Nobody is shown what they have just sent back or complain about, nor what they have bought already, unless it is used up by now and
bought again and again. Who may leave gets what fits the conversation best, in stock; who is content also what fits them, spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from assistant.turns.ports import Retriever
from assistant.turns.wanted import Wanted
from retrieval.documents import Candidate, Limit, Product, Script, SearchContext, Vector
from retrieval.recommend import Recommender
from retrieval.text import content_words, tokens
from retrieval.wishes import wish

SHOWN: Final = 3
LOOKED_AT: Final = 8  # the best of a search, of which the likeliest are shown
# How likely a product is what was asked for: its search score, and more where its very title names the thing and where it means
# the same, for people describe what they want in other words than a catalogue does. Chosen on the development half of
# `tests/fixtures/product_asks.jsonl`.
TITLE: Final = 0.3  # of the words of the wish that stand in the title
MEANING: Final = 0.6  # of the cosine
RELEVANT: Final = 0.35  # below it is a shot in the dark
BESIDE: Final = 0.5  # share of the best one's likelihood below which nothing is shown beside it
RANKED: Final = 60  # of the likeliest products, to find some that are in stock, sold there and unlike each other
# Intents that ask for anything good: only these are answered from a customer's history, or from what is popular.
OPEN_ENDED: Final = frozenset({"recommendation", "well_rated", "gift"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A product that is asked for: its name as the customer gave it, the vector of that [d], and what it may cost."""

    text: str
    vector: Vector | None
    limit: Limit | None = None


def asked_for(
    retriever: Retriever, recommender: Recommender | None, wanted: Wanted, asked: Sequence[Asked]
) -> list[Candidate]:
    """What the turn asks for: the first of the ways to read it that finds something."""
    context = _context(recommender, wanted)
    for one in asked:
        if not one.text:
            continue
        hits = retriever.search(one.vector, one.text, replace(context, limit=one.limit))
        words = one.text.split()
        likely = {hit.id: _likely(hit, words) for hit in hits}
        least = max(RELEVANT, BESIDE * max(likely.values(), default=0.0))
        found = [
            hit
            for hit in sorted(hits, key=lambda hit: -likely[hit.id])
            if likely[hit.id] >= least and not (wanted.complains and _named_in(hit, wanted.text))
        ]
        if found:
            if wanted.band == "low":  # behind the best one in the order of the search, which seeks variety
                found[1:] = sorted(found[1:], key=lambda hit: hit.rank)
            return [replace(hit, rank=rank) for rank, hit in enumerate(found[:SHOWN])]  # as it is shown, and logged
    return []


def _likely(hit: Candidate, words: Sequence[str]) -> float:
    title = hit.document.title.casefold()
    own = set(tokens(title))
    named = sum(word in own or (not word.isascii() and word in title) for word in words)
    return hit.score + TITLE * named / max(len(words), 1) + MEANING * hit.sources.get("dense", 0.0)


def unasked(
    retriever: Retriever,
    recommender: Recommender | None,
    wanted: Wanted,
    scripts: Sequence[Candidate],
    sayable: SearchContext,
    limit: Limit | None = None,
) -> list[Candidate]:
    """What the customer is likeliest to want, or what sells best, where they ask for anything good and name nothing.

    `scripts` were found for the turn; `sayable` is the context in which scripts could name products; `limit` bounds the price.
    """
    best = scripts[0].document if scripts else None
    if recommender is None or wanted.band == "high" or not isinstance(best, Script) or best.intent not in OPEN_ENDED:
        return []
    if not _is_open(wanted.text, retriever.by_intent(best.intent, sayable)):
        return []
    context = replace(_context(recommender, wanted), limit=limit)
    ranked = recommender.rank(wanted.shopping.purchases, wanted.at, RANKED, exclude=context.exclude)
    found = retriever.named([name for name, _ in ranked], replace(context, k=RANKED))
    why = "history" if context.own else "popular"
    chosen = [replace(one, why=(why,), score=_share(one, ranked)) for one in found]
    return [replace(one, rank=rank) for rank, one in enumerate(_spread(chosen)[:SHOWN])]


def _context(recommender: Recommender | None, wanted: Wanted) -> SearchContext:
    own: Mapping[str, float] = {}
    bought = {purchase.product for purchase in wanted.shopping.purchases}
    if recommender is not None:
        own = recommender.own(wanted.shopping.purchases, wanted.at)
        bought -= recommender.repeatable(wanted.shopping.purchases, wanted.at)
    complained = wanted.shopping.spoken_of if wanted.complains else frozenset()
    return SearchContext(
        "product",
        wanted.language,
        k=LOOKED_AT,
        region=wanted.region,
        band=wanted.band,
        exclude=frozenset(bought | wanted.shopping.returned | complained),
        own=own,
    )


def _named_in(candidate: Candidate, text: str) -> bool:
    """Whether the text speaks of this very product: all words of its title stand in it."""
    product = candidate.document
    return isinstance(product, Product) and set(content_words(product.title)) <= set(content_words(text))


def _is_open(text: str, scripts: Sequence[Candidate]) -> bool:
    """Whether the text names nothing that the examples of these scripts do not name: whoever names a violin wants one."""
    examples = [
        example
        for candidate in scripts
        if isinstance(candidate.document, Script)
        for example in candidate.document.examples
    ]
    return set(wish(text).text.split()) <= {word for example in examples for word in content_words(example)}


def _share(candidate: Candidate, ranked: Sequence[tuple[str, float]]) -> float:
    best = max(ranked[0][1], 1e-9)
    return next((score / best for name, score in ranked if name == candidate.id), 0.0)


def _spread(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best of each category first."""
    first: list[Candidate] = []
    others: list[Candidate] = []
    seen: set[str] = set()
    for candidate in candidates:
        category = candidate.document.category if isinstance(candidate.document, Product) else ""
        (others if category in seen else first).append(candidate)
        seen.add(category)
    return [*first, *others]
