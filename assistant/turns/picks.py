"""Products for a turn: what the conversation asks for, in the light of what this customer has bought; and what is left out.

Nobody is shown what they have just sent back or complain about, nor what they have bought already, unless it is used up by now and
bought again and again. Who may leave gets what fits the conversation best, in stock; who is content also what fits them, spread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from assistant.turns.ports import Retriever
from assistant.turns.wanted import Wanted
from retrieval.documents import Candidate, Product, Reading, Script, SearchContext
from retrieval.recommend import Recommender
from retrieval.text import content_words

SHOWN: Final = 3
RELEVANT: Final = 0.28  # a product search score below it is a shot in the dark
RANKED: Final = 60  # of the likeliest products, to find some that are in stock, sold there and unlike each other
# Intents that ask for anything good: only these are answered from a customer's history, or from what is popular.
OPEN_ENDED: Final = frozenset({"recommendation", "well_rated", "gift"})


def asked_for(
    retriever: Retriever, recommender: Recommender | None, wanted: Wanted, heard: Sequence[Reading]
) -> list[Candidate]:
    """What the turn asks for; where that is nothing, what it and the turn before ask for together."""
    context = _context(recommender, wanted)
    asked = [(wanted.vector, wanted.text), *((one.vector, one.text) for one in heard if one.kind == "context")]
    for vector, text in asked:
        hits = [one for one in retriever.search(vector, text, context) if one.score >= RELEVANT]
        found = [one for one in hits if not (wanted.complains and _named_in(one, wanted.text))]
        if found:
            return found[:SHOWN]
    return []


def unasked(
    retriever: Retriever,
    recommender: Recommender | None,
    wanted: Wanted,
    scripts: Sequence[Candidate],
    sayable: SearchContext,
) -> list[Candidate]:
    """What the customer is likeliest to want, or what sells best, where they ask for anything good and name nothing.

    `scripts` were found for the turn; `sayable` is the context in which scripts could name products.
    """
    best = scripts[0].document if scripts else None
    if recommender is None or wanted.band == "high" or not isinstance(best, Script) or best.intent not in OPEN_ENDED:
        return []
    if not _is_open(wanted.text, retriever.by_intent(best.intent, sayable)):
        return []
    context = _context(recommender, wanted)
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
        k=2 * SHOWN if wanted.complains else SHOWN,  # some may be named as what is wrong
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
    """Whether the text has no word that the examples of these scripts do not have: whoever names a violin wants one."""
    examples = [
        example
        for candidate in scripts
        if isinstance(candidate.document, Script)
        for example in candidate.document.examples
    ]
    return set(content_words(text)) <= {word for example in examples for word in content_words(example)}


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
