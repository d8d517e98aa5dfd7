"""Retrieval for a turn, off the event loop and within a deadline: scripts, products, and the wordings that no search finds."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Protocol

import structlog

from assistant.policy.answers import asks, asks_for_more
from assistant.turns import picks, wording
from assistant.turns.options import Found
from assistant.turns.passages import ARTICLES, answers, with_passage
from assistant.turns.ports import Retriever, Retrievers, Unavailable
from assistant.turns.wanted import Wanted
from retrieval.documents import REASONS, Band, Candidate, Encoder, Reading, Script, SearchContext
from retrieval.errors import NoSnapshot
from retrieval.readings import readings
from retrieval.recommend import Recommender
from retrieval.text import tokens
from retrieval.wishes import wish

log = structlog.get_logger()

SCRIPTS: Final = 10
CLARIFYING: Final = 4
HANDOFFS: Final = 4  # wordings of one way of calling a person that are looked at
WORDINGS_KEPT: Final = 256  # sets: sites × languages × what is known


class Recommenders(Protocol):
    """What a site's customers are likely to buy next."""

    def recommender(self, site_id: str) -> Recommender | None:
        """The one in force now; None where nothing was learned."""
        ...


class Finder:
    """Searches in one thread of its own, because the index is single-threaded and the event loop must not wait."""

    def __init__(
        self,
        retrievers: Retrievers,
        encoder: Encoder | Unavailable,
        *,
        deadline_ms: int,
        recommenders: Recommenders | None = None,
    ) -> None:
        self._retrievers = retrievers
        self._recommenders = recommenders
        self._encoder = encoder
        self._deadline_s = deadline_ms / 1000
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="retrieval")
        self._thread.submit(
            tokens, "热身"
        )  # the Chinese dictionary takes a second to read: now, and not in somebody's turn
        self._wordings: dict[tuple[str, str, str, frozenset[str]], dict[str, Script]] = {}

    async def find(self, wanted: Wanted) -> Found:
        """What was found, or a Found whose `unavailable` says why there is nothing. Never raises."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline_s):
                return await loop.run_in_executor(self._thread, self._find, wanted)
        except TimeoutError:
            return Found(unavailable="retrieval_deadline")
        except NoSnapshot:
            return Found(unavailable="no_index")
        except Exception as error:
            log.error("retrieval_failed", error=type(error).__name__)
            return Found(unavailable="retrieval_failed")

    def close(self) -> None:
        """Lets the running search finish."""
        self._thread.shutdown()

    def _find(self, wanted: Wanted) -> Found:
        retriever = self._retrievers.for_site(wanted.site_id)
        if isinstance(retriever, Unavailable):
            return Found(unavailable=retriever.reason)
        heard, asked = self._readings(wanted)
        recommender = None if self._recommenders is None else self._recommenders.recommender(wanted.site_id)
        products = picks.asked_for(retriever, recommender, wanted, asked)
        named = bool(products)
        context = _context(wanted, heard, with_products=named)
        articles = retriever.search(
            wanted.vector, wanted.text, replace(context, kind="article", k=ARTICLES, readings=())
        )
        everything = retriever.search(wanted.vector, wanted.text, context)
        if not products:
            naming = _context(wanted, heard, with_products=True)
            said = [candidate for candidate in everything if _sayable(candidate)]
            products = picks.unasked(retriever, recommender, wanted, said, naming, asked[0].limit)
            if products:  # scripts that name them can be said now
                context = naming
                everything = retriever.search(wanted.vector, wanted.text, context)
        version = self._retrievers.version(wanted.site_id)
        said = [candidate for candidate in everything if _sayable(candidate)]
        page_answers = wanted.band != "high" and answers(wanted.text, said, articles, named=named)
        return Found(
            scripts=with_passage(said, articles, clear=page_answers),
            articles=articles,
            page_answers=page_answers,
            ruled=_ruled(everything),
            onward=_scripts(retriever.by_intent(wording.ONWARD_INTENT, context)),
            clarifying=_scripts(retriever.by_intent(wording.CLARIFY_INTENT, replace(context, k=CLARIFYING))),
            handoff=self._handoff_wordings(retriever, wanted, version, context),
            products=products,
            named=named,
            index=version,
        )

    def _readings(self, wanted: Wanted) -> tuple[tuple[Reading, ...], list[picks.Asked]]:
        """The turn read in other ways, and the products it may ask for, in one encoder call.

        A product is looked for as this message names it; where that is nothing, as it and the one before do together. No other
        readings where the turn itself could not be encoded.
        """
        found = readings(wanted.text, wanted.before)
        wishes = [wish(text) for text in (wanted.text, *(text for kind, text in found if kind == "context"))]
        if wanted.vector is None or isinstance(self._encoder, Unavailable):
            return (), [picks.Asked(one.text, None, one.limit) for one in wishes]
        vectors = self._encoder.encode([*(text for _, text in found), *(one.text for one in wishes)])
        heard = tuple(Reading(text, vector, kind) for (kind, text), vector in zip(found, vectors, strict=False))
        named = zip(wishes, vectors[len(found) :], strict=True)
        return heard, [picks.Asked(one.text, vector, one.limit) for one, vector in named]

    def _handoff_wordings(
        self, retriever: Retriever, wanted: Wanted, version: str, context: SearchContext
    ) -> dict[str, Script]:
        """They change with the index only, so each set is looked up once."""
        key = (wanted.site_id, version, context.locale, context.known)
        if key not in self._wordings:
            if len(self._wordings) >= WORDINGS_KEPT:
                self._wordings.clear()
            self._wordings[key] = _handoffs(retriever, context)
        return self._wordings[key]


def _context(wanted: Wanted, heard: tuple[Reading, ...], *, with_products: bool) -> SearchContext:
    return SearchContext(
        "script",
        wanted.language,
        k=SCRIPTS,
        region=wanted.region,
        band=wanted.band,
        reasons=tuple(reason for reason in REASONS if reason in wanted.reasons),
        known=wanted.known | (wanted.product_slots if with_products else frozenset()),
        facts={
            "verified": wanted.verified,
            "has_order": wanted.has_order,
            "asked": asks(wanted.last_said),
            "asked_for_more": asks_for_more(wanted.last_said),
            "tenure_days": wanted.tenure_days,
            "value_year": wanted.value_year,
        },
        readings=heard,
    )


def _sayable(candidate: Candidate) -> bool:
    """Whether a search may end in it: neither a matter of rules nor the question for when nothing fits."""
    document = candidate.document
    return (
        isinstance(document, Script)
        and document.intent not in wording.RULED_INTENTS
        and document.intent != wording.CLARIFY_INTENT
    )


def _ruled(candidates: list[Candidate]) -> dict[str, float]:
    """How likely the message asks for each matter that rules decide about."""
    chances: dict[str, float] = {}
    for candidate in candidates:
        document = candidate.document
        if isinstance(document, Script) and document.intent in wording.RULED_INTENTS:
            chance = candidate.sources.get("intent", 0.0)
            chances[document.intent] = max(chance, chances.get(document.intent, 0.0))
    return chances


def _handoffs(retriever: Retriever, context: SearchContext) -> dict[str, Script]:
    """The wording for each way of calling a person, fit for any band: what was said decides, not the risk.

    Of several the one that tells most is said: one that names the waiting time, as soon as that is known.
    """
    chosen: dict[str, Script] = {}
    bands: tuple[Band, ...] = ("low", "high")
    for band in bands:
        anywhere = SearchContext("script", context.locale, k=HANDOFFS, band=band, known=context.known)
        for intent in wording.RULED_INTENTS - chosen.keys():
            scripts = _scripts(retriever.by_intent(intent, anywhere))
            if scripts:
                chosen[intent] = max(scripts, key=lambda script: len(script.slots))
    return chosen


def _scripts(candidates: list[Candidate]) -> list[Script]:
    return [candidate.document for candidate in candidates if isinstance(candidate.document, Script)]
