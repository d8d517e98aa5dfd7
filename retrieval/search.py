"""Search over the serving snapshot: eligible documents, dense and sparse evidence fused, ranked for the customer's risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval import rerank
from retrieval.collection import Collection, Filter
from retrieval.documents import Band, Candidate, Document, Kind, Product, Script, SearchContext, Vector
from retrieval.errors import NoSnapshot
from retrieval.features import features
from retrieval.fusion import Fusion, diversify, share_of_intent
from retrieval.pinned import pinned, stepped_back
from retrieval.rerank import Reranker
from retrieval.snapshot import Snapshot
from retrieval.text import content_words
from retrieval.vectors import Rows

FUSIONS: Mapping[Kind, Fusion] = {
    "script": Fusion("convex", alpha=0.8),
    "product": Fusion("convex", alpha=0.4, head=0.7),
    "article": Fusion("convex", alpha=0.4),
}
# Weight of relevance against variety. Who may leave gets what fits best; who is content may look around. An answer is never
# worth much less for being different, so scripts are spread only where they are about equally good.
TRADE: Mapping[Kind, Mapping[Band, float]] = {
    "script": {"high": 1.0, "elevated": 1.0, "low": 0.95},
    "product": {"high": 1.0, "elevated": 0.8, "low": 0.6},
    "article": {"high": 1.0, "elevated": 1.0, "low": 1.0},
}
# How much more a product counts that this customer is likeliest to buy next. It lifts what is relevant and makes nothing
# relevant; who may leave gets what the conversation is about.
PERSONAL: Mapping[Band, float] = {"high": 0.0, "elevated": 0.15, "low": 0.3}
LIKELY = 0.1  # share of the likeliest product's score from which "history" is given as a ground
RELEVANT = 0.5  # share of the best score above which variety may be sought
POOL = 32  # entries that are scored in full, from each source
RERANKED = 100  # the same where a re-ranker decides
VOTE = 0.05  # temperature of the vote among the examples of a script family
POSSIBLE = 0.02  # probability from which all scripts of an intent are looked at
SIBLING = (
    0.15  # by how much worse words and meaning must fit for a script to lose two thirds of its intent's probability
)
REASON_BONUS = 0.05  # share of its score, for a script that is meant for one of the customer's reasons
ALIKE = 0.97  # cosine from which two products are variants of one
SIMILAR = 0.5  # cosine from which "similar in meaning" is given as a ground


@dataclass(frozen=True, slots=True)
class _Pool:
    """Scored entries, best first."""

    entries: Rows
    scores: Vector
    cosines: Vector | None
    sparse: Vector
    best_rows: Rows  # the row that speaks for each entry
    reasons: NDArray[np.bool_]
    asked: Vector | None  # probability of each entry's intent
    words: Vector | None  # [n, words] what each known word adds in the best row, where it was looked up
    own: Vector | None = None  # what the customer's history says of each product

    def take(self, order: NDArray[np.int64] | Sequence[int]) -> _Pool:
        """The pool in another order."""
        places = np.asarray(order, dtype=np.int64)
        cosines = None if self.cosines is None else self.cosines[places]
        return _Pool(
            self.entries[places],
            self.scores[places],
            cosines,
            self.sparse[places],
            self.best_rows[places],
            self.reasons[places],
            None if self.asked is None else self.asked[places],
            None if self.words is None else self.words[places],
            None if self.own is None else self.own[places],
        )


@dataclass(frozen=True, slots=True)
class Ranking:
    """How candidates are scored: fusion by kind, and a re-ranker of products where one was trained."""

    fusions: Mapping[Kind, Fusion] = field(default_factory=lambda: FUSIONS)
    reranker: Reranker | None = None

    @classmethod
    def beside(cls, index: Path, fingerprint: str | None) -> Ranking:
        """The ranking kept in the folder of an index, the untuned one where there is none. Raises `BadSnapshot` when damaged."""
        folder = index / rerank.FOLDER
        if fingerprint is None or not folder.is_dir():
            return cls()
        return cls.tuned(rerank.load(folder, fingerprint))

    @classmethod
    def tuned(cls, reranker: Reranker) -> Ranking:
        """The ranking that a re-ranker and the fusion tuned with it make."""
        return cls({**FUSIONS, "product": reranker.fusion}, reranker)


class Retriever:
    """Searches the snapshot it holds. Thread-safe: a search keeps the snapshot it began with when another is swapped in."""

    def __init__(self, snapshot: Snapshot | None, ranking: Ranking | None = None) -> None:
        self._snapshot = snapshot
        self._ranking = ranking or Ranking()

    @property
    def ranking(self) -> Ranking:
        """How candidates are scored now."""
        return self._ranking

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot that serves now."""
        return self._snapshot

    @property
    def ready(self) -> bool:
        """Whether searches can be answered at all."""
        return self._snapshot is not None

    @property
    def degraded(self) -> tuple[str, ...]:
        """What is missing: "no_index", or "lexical_only" when there are no vectors. Empty when all is well."""
        snapshot = self._snapshot
        if snapshot is None:
            return ("no_index",)
        return () if snapshot.fingerprint is not None else ("lexical_only",)

    def swap(self, snapshot: Snapshot, ranking: Ranking | None = None) -> None:
        """Serve another snapshot, and maybe another ranking, from the next search on."""
        if ranking is not None:
            self._ranking = ranking
        self._snapshot = snapshot  # one reference assignment: atomic

    def search(self, vector: Vector | None, text: str, context: SearchContext) -> list[Candidate]:
        """At most `context.k` eligible candidates, best first; k where k eligible documents exist and vectors are at hand.

        `vector` [d] is the encoded query, None when the encoder failed: then words alone count. Raises `NoSnapshot` when there
        is no index, ValueError when the vector has another length than the index.
        """
        snapshot = self._snapshot
        if snapshot is None:
            raise NoSnapshot("no index snapshot is loaded")
        collection = snapshot.collections.get(context.kind)
        if collection is None or context.k <= 0:
            return []
        allowed = collection.filter(context)
        if allowed.entry_count == 0:
            return []
        words = content_words(text)
        usable = _usable(vector, collection)
        heard = None if usable is None or vector is None else _heard(collection, vector, text, context)
        pool = _gather(collection, allowed, usable, words, context, self._ranking, heard)
        pool = _personal(collection, allowed, pool, context)
        chosen = _choose(collection, allowed, pool, context)
        matched = _matched(collection, words, chosen)
        numbers = allowed.documents[chosen.entries].tolist()
        documents = [collection.document(number) for number in numbers]
        articles = context.kind == "article"
        return [
            Candidate(
                document=document,
                rank=place,
                score=float(chosen.scores[place]),
                sources=_sources(chosen, place),
                why=_why(document, matched[place], chosen, place, context),
                passage=collection.passage(numbers[place], int(chosen.best_rows[place])) if articles else None,
            )
            for place, document in enumerate(documents)
        ]

    def named(self, names: Sequence[str], context: SearchContext) -> list[Candidate]:
        """The eligible ones of these products, in the order given, at most `context.k`: for what no question asks for."""
        snapshot = self._snapshot
        if snapshot is None:
            raise NoSnapshot("no index snapshot is loaded")
        collection = snapshot.collections.get("product")
        if collection is None:
            return []
        numbers = collection.numbers_of(names, context)
        documents = [collection.document(number) for number in numbers[: context.k]]
        return [
            Candidate(document, rank, context.own.get(document.id, 0.0), {"history": context.own.get(document.id, 0.0)})
            for rank, document in enumerate(documents)
        ]

    def by_intent(self, intent: str, context: SearchContext) -> list[Candidate]:
        """Eligible scripts of one intent, in the order of their families: for replies that no question asks for."""
        snapshot = self._snapshot
        if snapshot is None:
            raise NoSnapshot("no index snapshot is loaded")
        collection = snapshot.collections.get("script")
        if collection is None:
            return []
        allowed = collection.filter(context)
        scripts = [collection.document(int(allowed.documents[entry])) for entry in np.flatnonzero(allowed.entries)]
        found = [script for script in scripts if isinstance(script, Script) and script.intent == intent][: context.k]
        return [Candidate(script, rank, 1.0, {}, (f"intent:{intent}",)) for rank, script in enumerate(found)]


def _usable(vector: Vector | None, collection: Collection) -> Vector | None:
    """The query as the index compares it, None where there is none to compare."""
    if vector is None or collection.dense is None:
        return None
    compared = collection.query(vector)
    return compared if np.isfinite(vector).all() else None


def _gather(
    collection: Collection,
    allowed: Filter,
    vector: Vector | None,
    words: list[str],
    context: SearchContext,
    ranking: Ranking,
    heard: Vector | None,
) -> _Pool:
    """Score the best entries of each source with the evidence of both, and scripts by what the message asks for."""
    reranker = ranking.reranker if context.kind == "product" and vector is not None else None
    size = max(POOL if reranker is None else RERANKED, 3 * context.k)
    parts = [_sparse_entries(collection, allowed, words, size)]
    if vector is not None:
        parts.append(_dense_entries(collection, allowed, vector, size))
    if heard is not None:
        parts.append(np.flatnonzero(allowed.entries & (heard >= POSSIBLE)))
    entries = np.unique(np.concatenate(parts))
    rows, owner = collection.rows_of(entries, allowed)
    fusion = ranking.fusions[context.kind]
    by_word = collection.lexical.weights(words, rows) if collection.single and collection.lexical.few(rows) else None
    row_sparse = collection.lexical.scores(words, rows) if by_word is None else by_word.sum(axis=1)
    row_share = collection.shares(words, rows, row_sparse, fusion.head)
    row_cosines = None if vector is None or collection.dense is None else collection.dense.cosines(vector, rows)
    if collection.single:
        sparse, cosines, best_rows = row_sparse, row_cosines, rows
        scores = fusion.scores(cosines, row_share)
    else:
        starts = np.searchsorted(owner, np.arange(len(entries)))  # rows of one entry stand together
        sparse = _highest(row_sparse, starts)
        cosines = None if row_cosines is None else _highest(row_cosines, starts)
        voted = cosines
        if context.kind == "script" and row_cosines is not None and cosines is not None:
            # Examples are many ways to say one thing; the passages of an article say different things, and the best one answers.
            voted = _voted(row_cosines, cosines, owner)
        scores = fusion.scores(voted, _highest(row_share, starts))
        row_scores = fusion.scores(row_cosines, row_share)
        best = np.flatnonzero(row_scores == _highest(row_scores, starts)[owner])
        best_rows = rows[best[np.unique(owner[best], return_index=True)[1]]]
    if reranker is not None and vector is not None and len(entries):
        documents = [collection.document(int(allowed.documents[entry])) for entry in entries]
        products = [document for document in documents if isinstance(document, Product)]
        scores = reranker.scores(features(collection, vector, words, best_rows, products))
    literal = pinned(words, collection.brands) if context.kind == "product" else []
    if literal:
        if by_word is None:
            carries = collection.lexical.weights(literal, best_rows) > 0
        else:
            known = collection.lexical.known(words)
            carries = by_word[:, [known.index(word) for word in literal if word in known]] > 0
        scores = stepped_back(scores, carries)
    reasons = np.zeros(len(entries), dtype=np.bool_)
    if context.kind == "script" and context.reasons:
        for place, entry in enumerate(entries.tolist()):
            document = collection.document(int(allowed.documents[entry]))
            reasons[place] = isinstance(document, Script) and bool(set(document.reasons) & set(context.reasons))
    asked = None if heard is None else heard[entries]
    if asked is not None:
        scores = asked * share_of_intent(scores, collection.intent_of_entry[entries], SIBLING)
    scores = np.minimum(np.where(reasons, scores * np.float32(1.0 + REASON_BONUS), scores), 1.0).astype(np.float32)
    pool = _Pool(entries, scores, cosines, sparse, best_rows, reasons, asked, by_word)
    return pool.take(np.argsort(-scores, kind="stable"))


def _personal(collection: Collection, allowed: Filter, pool: _Pool, context: SearchContext) -> _Pool:
    """The pool with the customer's own history in its scores, the more so the lower the risk."""
    weight = PERSONAL[context.band]
    if context.kind != "product" or not context.own or not len(pool.entries):
        return pool
    names = [collection.document(int(allowed.documents[entry])).id for entry in pool.entries]
    own = np.asarray([context.own.get(name, 0.0) for name in names], dtype=np.float32)
    lifted = replace(pool, scores=pool.scores * (1.0 + np.float32(weight) * own), own=own)
    return lifted.take(np.argsort(-lifted.scores, kind="stable"))


def _heard(collection: Collection, vector: Vector, text: str, context: SearchContext) -> Vector | None:
    """Float32 [entries]: the probability that the message asks for what each script answers; None without a head."""
    if collection.head is None:
        return None
    return collection.head.read(vector, text, context.readings)[collection.intent_of_entry]


def _highest(values: Vector, starts: NDArray[np.int64]) -> Vector:
    """The highest value of each run of rows."""
    return np.maximum.reduceat(values, starts) if len(starts) else values


def _voted(row_cosines: Vector, highest: Vector, owner: NDArray[np.int64]) -> Vector:
    """The soft maximum of an entry's cosines: several examples that are close count for more than one alone.

    VOTE × log(Σ exp(cosine / VOTE) / 3), written around the highest so that nothing overflows.
    """
    total = np.bincount(owner, np.exp((row_cosines - highest[owner]) / VOTE), minlength=len(highest))
    return np.asarray(highest + VOTE * np.log(np.maximum(total, 1e-9) / 3.0), dtype=np.float32)


def _sparse_entries(collection: Collection, allowed: Filter, words: list[str], size: int) -> Rows:
    rows, _ = collection.lexical.search(words, size, allowed.rows)
    return rows if collection.single else np.unique(collection.entry_of_row[rows]).astype(np.int64)


def _dense_entries(collection: Collection, allowed: Filter, vector: Vector, size: int) -> Rows:
    if collection.dense is None:
        return np.empty(0, dtype=np.int64)
    wanted = size if collection.single else 4 * size
    while True:
        rows, _ = collection.dense.search(vector, wanted, allowed.rows, allowed.row_count)
        if collection.single:
            return rows
        entries = np.unique(collection.entry_of_row[rows]).astype(np.int64)
        if len(entries) >= min(size, allowed.entry_count) or wanted >= allowed.row_count:
            return entries
        wanted *= 2


def _choose(collection: Collection, allowed: Filter, pool: _Pool, context: SearchContext) -> _Pool:
    """Fold near-duplicates, then spread by risk, and cut to k."""
    head = pool.take(np.arange(min(len(pool.entries), max(3 * context.k, 16))))
    if not len(head.entries):
        return head
    similarity = _similarity(collection, head)
    order, folded = list(range(len(head.entries))), list[int]()
    if context.kind != "script":
        order, folded = _fold(collection, allowed, head, similarity)
    trade = TRADE[context.kind][context.band]
    if trade < 1.0:
        # Variety is sought among what is relevant: what scores far below the best only fills up.
        near = [place for place in order if head.scores[place] >= RELEVANT * head.scores[0]]
        spread = diversify(head.scores[near], similarity[np.ix_(near, near)], context.k, trade)
        order = [near[place] for place in spread] + order[len(near) :]
    return head.take([*order, *folded][: context.k])


def _similarity(collection: Collection, pool: _Pool) -> Vector:
    if collection.dense is None:
        return np.eye(len(pool.entries), dtype=np.float32)
    own = collection.dense.vectors[pool.best_rows]
    return np.asarray(np.clip(own @ own.T, 0.0, 1.0), dtype=np.float32)


def _fold(collection: Collection, allowed: Filter, pool: _Pool, similarity: Vector) -> tuple[list[int], list[int]]:
    """Positions that stand for themselves, and near-duplicates of better ones, which only fill up a short list."""
    kept: list[int] = []
    folded: list[int] = []
    titles: set[int] = set()
    doubles: dict[int, list[int]] = {}  # by position: better ones that look alike
    if collection.dense is not None:
        worse, better = np.nonzero(similarity >= ALIKE)
        for place, other in zip(worse.tolist(), better.tolist(), strict=True):
            if other < place:
                doubles.setdefault(place, []).append(other)
    hashes = collection.title_hashes(allowed.documents[pool.entries]).tolist()
    for place, title in enumerate(hashes):
        alike = title in titles or (place in doubles and any(other in kept for other in doubles[place]))
        (folded if alike else kept).append(place)
        titles.add(title)
    return kept, folded


def _matched(collection: Collection, words: list[str], pool: _Pool) -> list[list[str]]:
    """For each place the words that its best row contains, the most telling first."""
    known = collection.lexical.known(words)
    by_word = collection.lexical.weights(words, pool.best_rows) if pool.words is None else pool.words
    return [[known[number] for number in row.nonzero()[0].tolist()] for row in by_word]


def _sources(pool: _Pool, place: int) -> dict[str, float]:
    found = {"sparse": float(pool.sparse[place])}
    if pool.cosines is not None:
        found["dense"] = float(pool.cosines[place])
    if pool.asked is not None:
        found["intent"] = float(pool.asked[place])
    if pool.reasons[place]:
        found["reason"] = 1.0
    if pool.own is not None:
        found["history"] = float(pool.own[place])
    return found


def _why(document: Document, matched: list[str], pool: _Pool, place: int, context: SearchContext) -> tuple[str, ...]:
    codes = [f"matched:{word}" for word in matched[:5]]
    if pool.cosines is not None and pool.cosines[place] >= SIMILAR:
        codes.append("similar")
    if isinstance(document, Script):
        codes.extend(f"reason:{reason}" for reason in context.reasons if reason in document.reasons)
    elif isinstance(document, Product):
        if pool.own is not None and PERSONAL[context.band] > 0 and pool.own[place] > LIKELY:
            codes.append("history")
        if context.region is not None and document.regions:
            codes.append(f"region:{context.region}")
    return tuple(codes)
