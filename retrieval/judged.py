"""Product search against judged queries: what each way of ranking is worth, and tuning of fusion and re-ranker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import metrics, rerank, tables
from retrieval.collection import Collection
from retrieval.documents import Encoder, Product, Vector
from retrieval.errors import RowFault
from retrieval.features import features
from retrieval.fusion import Fusion
from retrieval.rerank import Judged, Reranker
from retrieval.search import FUSIONS, RERANKED
from retrieval.text import clean, content_words
from retrieval.vectors import Rows

Judgements = Mapping[str, Mapping[str, float]]  # query → document id → grade
DEPTH = 100
FOLDS = 6
REPEATS = 3  # different divisions into folds, averaged
GRADES = 3.0
# The plain baselines come first: one vector of the title, one BM25 over the whole text of a product.
WAYS = ("dense", "sparse", "dense_described", "sparse_described", "rrf", "fused", "reranked")
_ALPHAS = tuple(round(0.1 * step, 1) for step in range(1, 10))
_HEADS = (0.0, 0.5, 0.7, 1.0)


def load_judgements(path: Path) -> tuple[dict[str, dict[str, float]], list[RowFault]]:
    """Grades by query and document id from a CSV with the columns query, docid, rating (0..3); also `.gz`.

    Logged clicks fit as well: rating 0 for shown, more for clicked, bought. Raises ValueError when the file cannot be read.
    """
    header, rows = tables.by_header(path)
    names = {name.lower(): name for name in header}
    missing = {"query", "docid", "rating"} - names.keys()
    if missing:
        raise ValueError(f"{path.name}: column {min(missing)!r} is missing; the columns are {', '.join(header)}")
    found: dict[str, dict[str, float]] = {}
    faults: list[RowFault] = []
    for line, row in rows:
        if isinstance(row, str):
            faults.append(RowFault(line, row, path.name))
            continue
        try:
            grade = float(row.get(names["rating"], ""))
        except ValueError:
            grade = -1.0
        query, name = clean(row.get(names["query"], "")), row.get(names["docid"], "").strip()
        if not query or not name or not 0 <= grade <= GRADES:
            faults.append(RowFault(line, "expected query, docid and a rating from 0 to 3", path.name))
            continue
        found.setdefault(query, {})[name] = grade
    return found, faults


@dataclass(frozen=True, slots=True)
class Query:
    """One judged query with all evidence over the catalogue; vectors are float32 [rows]."""

    text: str
    words: list[str]
    grades: dict[int, float]  # by row
    evidence: dict[str, Vector]  # by way: dense, sparse, dense_described, sparse_described
    shares: tuple[Vector, Vector]  # matched share in everything, and in the head
    pool: Rows  # rows that the re-ranker scores
    features: NDArray[np.float64]

    def judged(self) -> Judged:
        """The pool with its grades in 0..1, for the re-ranker."""
        grades = np.asarray([self.grades.get(row, 0.0) / GRADES for row in self.pool.tolist()])
        return Judged(self.features, grades, np.asarray([row in self.grades for row in self.pool.tolist()]))


class Bench:
    """A catalogue opened for evaluation: prepares queries and ranks them in every way."""

    def __init__(self, collection: Collection, encoder: Encoder, titles: Vector) -> None:
        if collection.dense is None or not collection.single:
            raise ValueError("evaluation needs vectors and one locale a product")
        self._collection = collection
        self._dense = collection.dense
        self._encoder = encoder
        self._titles = titles  # plain baseline: float32 [rows, d]
        self._row_of = {collection.document(row).id: row for row in range(len(collection))}

    def prepare(self, judgements: Judgements, progress: Callable[[int, int], None] | None = None) -> list[Query]:
        """Evidence for each query. Judgements of documents that are not in the catalogue are left out."""
        queries: list[Query] = []
        everything = np.arange(len(self._collection))
        for number, (text, graded) in enumerate(judgements.items(), start=1):
            grades = {self._row_of[name]: grade for name, grade in graded.items() if name in self._row_of}
            if grades:
                queries.append(self._prepare(text, grades, everything))
            if progress is not None:
                progress(number, len(judgements))
        return queries

    def _prepare(self, text: str, grades: dict[int, float], everything: Rows) -> Query:
        vector = self._encoder.encode([text])[0]
        words = content_words(text)
        head = self._collection.fields["head"]
        evidence = {
            "dense": np.asarray(self._titles @ vector, dtype=np.float32),
            "sparse": self._collection.lexical.scores(words, everything),
            "dense_described": self._dense.cosines(vector, everything),
            "sparse_described": head.scores(words, everything),
        }
        shares = (
            np.clip(evidence["sparse"] / self._collection.lexical.bound(words), 0, 1),
            np.clip(evidence["sparse_described"] / head.bound(words), 0, 1),
        )
        found = [top(evidence[name], RERANKED) for name in ("sparse", "sparse_described", "dense_described")]
        pool = np.unique(np.concatenate([*found, np.fromiter(grades, dtype=np.int64)]))
        documents = [self._collection.document(row) for row in pool.tolist()]
        products = [document for document in documents if isinstance(document, Product)]
        return Query(
            text,
            words,
            grades,
            evidence,
            shares,
            pool,
            features(self._collection, vector, words, pool, products),
        )


def stacked(batches: Sequence[Vector]) -> Vector:
    """Batches of vectors as one matrix, float32 [n, d]."""
    return np.concatenate(batches).astype(np.float32)


def top(scores: Vector, k: int) -> Rows:
    """The k rows with the highest scores, best first; equal scores in the order of rows."""
    k = min(k, len(scores))
    best = np.argpartition(-scores, k - 1)[:k]
    return np.asarray(best[np.lexsort((best, -scores[best]))], dtype=np.int64)


def fused(query: Query, fusion: Fusion) -> Vector:
    """Fused score of every row, float32 [rows]."""
    share = (1.0 - fusion.head) * query.shares[0] + fusion.head * query.shares[1]
    return fusion.scores(query.evidence["dense_described"], np.asarray(share, dtype=np.float32))


def tune_fusion(queries: Sequence[Query]) -> Fusion:
    """The convex combination with the best nDCG@10, whole catalogue and judged documents weighing the same."""
    choices = [Fusion("convex", alpha, head) for alpha in _ALPHAS for head in _HEADS]

    def worth(fusion: Fusion) -> float:
        return float(np.mean([sum(_ndcg_both(query, fused(query, fusion))) for query in queries]))

    return max(choices, key=worth) if queries else FUSIONS["product"]


def tune(queries: Sequence[Query], encoder: str) -> Reranker:
    """Fusion and re-ranker fitted on these queries. Raises ValueError when they teach nothing."""
    return rerank.fit([query.judged() for query in queries], tune_fusion(queries), encoder)


def evaluate(
    queries: Sequence[Query], tuned: Reranker | None, encoder: str, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """All ways of ranking in one table.

    With `tuned` (fitted on other queries) every query is ranked by it; without, fusion and re-ranker are fitted by
    cross-validation over the queries, so that no query is ranked by a model that has seen it.
    """
    ranked: dict[str, list[list[tuple[Rows, Rows]]]] = {way: [] for way in WAYS}
    for query in queries:
        plain = {name: query.evidence[name] for name in ("dense", "sparse", "dense_described", "sparse_described")}
        plain["rrf"] = fused(query, Fusion("rrf"))
        for way, scores in plain.items():
            ranked[way].append([_rank(query, scores)])
    rankers = [tuned] * len(queries) if tuned is not None else None
    folds = [rankers] if rankers is not None else [_cross(queries, encoder, seed, progress) for seed in range(REPEATS)]
    for number, query in enumerate(queries):
        own = [fold[number] for fold in folds]
        ranked["fused"].append([_rank(query, fused(query, ranker.fusion)) for ranker in own if ranker is not None])
        ranked["reranked"].append([_rank_pool(query, ranker) for ranker in own if ranker is not None])
    return _table(queries, ranked) | {"tuned_on": "other queries" if tuned is not None else "cross-validation"}


def _cross(
    queries: Sequence[Query], encoder: str, seed: int, progress: Callable[[int, int], None] | None
) -> list[Reranker | None]:
    order = np.random.default_rng(seed).permutation(len(queries))
    rankers: list[Reranker | None] = [None] * len(queries)
    folds = min(FOLDS, len(queries))
    for fold in range(folds):
        held = set(order[fold::folds].tolist())
        learned = tune([query for number, query in enumerate(queries) if number not in held], encoder)
        for number in held:
            rankers[number] = learned
        if progress is not None:
            progress(seed * folds + fold + 1, REPEATS * folds)
    return rankers


def _rank(query: Query, scores: Vector) -> tuple[Rows, Rows]:
    """The first rows of the whole catalogue, and the judged rows in order."""
    judged = np.fromiter(query.grades, dtype=np.int64)
    return top(scores, DEPTH), judged[np.lexsort((judged, -scores[judged]))]


def _rank_pool(query: Query, ranker: Reranker) -> tuple[Rows, Rows]:
    scores = ranker.scores(query.features)
    order = query.pool[np.lexsort((query.pool, -scores))]
    return order[:DEPTH], np.asarray([row for row in order.tolist() if row in query.grades], dtype=np.int64)


def _ndcg_both(query: Query, scores: Vector) -> tuple[float, float]:
    whole, judged = _rank(query, scores)
    return _ndcg(query, whole), _ndcg(query, judged)


def _ndcg(query: Query, rows: Rows) -> float:
    return metrics.ndcg([query.grades.get(row, 0.0) for row in rows.tolist()], list(query.grades.values()), 10)


def _table(queries: Sequence[Query], ranked: Mapping[str, list[list[tuple[Rows, Rows]]]]) -> dict[str, Any]:
    names = ("ndcg@10", "judged_ndcg@10", "recall@10", "recall@100", "mrr")
    values: dict[str, dict[str, list[float]]] = {name: {way: [] for way in WAYS} for name in names}
    for way, lists in ranked.items():
        for query, runs in zip(queries, lists, strict=True):
            rows = [_measures(query, *run) for run in runs]
            for name, column in zip(names, np.mean(rows, axis=0).tolist(), strict=True):
                values[name][way].append(column)
    answer: dict[str, Any] = {"n_queries": len(queries)}
    for name in names:
        answer[name] = {way: float(np.mean(values[name][way])) for way in WAYS}
    answer["intervals"] = {name: {way: list(metrics.interval(values[name][way])) for way in WAYS} for name in names}
    answer["gain"] = {
        name: {way: metrics.paired(values[name]["reranked"], values[name][way]) for way in WAYS if way != "reranked"}
        for name in names[:2]
    }
    answer["without_relevant"] = sum(not any(query.grades.values()) for query in queries)
    return answer


def _measures(query: Query, whole: Rows, judged: Rows) -> tuple[float, ...]:
    relevant = [query.grades.get(row, 0.0) > 0 for row in whole.tolist()]
    total = sum(grade > 0 for grade in query.grades.values())
    return (
        _ndcg(query, whole),
        _ndcg(query, judged),
        metrics.recall(relevant, total, 10),
        metrics.recall(relevant, total, 100),
        metrics.reciprocal_rank(relevant),
    )
