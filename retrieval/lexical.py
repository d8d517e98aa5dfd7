"""The keyword index: BM25 scores computed by bm25s when the index is built, summed by us when it is asked."""

from __future__ import annotations

import logging
import math
import threading
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import orjson
from numpy.typing import NDArray

from retrieval.documents import Vector
from retrieval.errors import BadSnapshot
from retrieval.text import tokens
from retrieval.vectors import Mask, Rows

logging.getLogger("bm25s").setLevel(logging.WARNING)  # it sets itself to DEBUG

K1, B = 1.2, 0.75
# Postings read in full for one query. Words beyond it are common ones: they only add to rows that rarer words found.
POSTINGS = 8_000  # or a twentieth of the rows, where that is more
MOST_TERMS = 64  # words of one query that are looked up
REFINED = 256  # rows that common words may still move


def write(texts: Sequence[str], folder: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Index the texts, one row each, into `folder` (numpy arrays and a JSON vocabulary, nothing pickled)."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: dict[str, int] = {}
    cut: list[array[int]] = []  # numbers of words: of a million texts the words themselves would take gigabytes
    for number, text in enumerate(texts, start=1):
        cut.append(array("i", [seen.setdefault(word, len(seen)) for word in tokens(text)]))
        if progress is not None and (number % 1_000 == 0 or number == len(texts)):
            progress(number, len(texts))
    vocabulary = {word: number for number, word in enumerate(sorted(seen) or [""])}
    place = [vocabulary[word] for word in seen]
    index = bm25s.BM25(k1=K1, b=B, method="lucene")
    index.index(([array("i", [place[number] for number in row]) for row in cut], vocabulary), show_progress=False)
    index.save(folder, allow_pickle=False, show_progress=False)


class LexicalIndex:
    """An opened keyword index, memory-mapped. Searches may run in several threads at once."""

    def __init__(self, folder: Path) -> None:
        try:
            index = bm25s.BM25.load(
                folder, mmap=True, load_corpus=False, allow_pickle=False, load_vocab=False, show_progress=False
            )
            self._vocabulary: dict[str, int] = orjson.loads((folder / "vocab.index.json").read_bytes())
            scores: Any = index.scores
            # Plain views: a memmap makes a Python object of itself at every slice.
            self._weights: Vector = scores["data"].view(np.ndarray)
            self._rows: NDArray[np.int32] = scores["indices"].view(np.ndarray)
            self._starts: list[int] = np.asarray(scores["indptr"]).tolist()
            self.count = int(scores["num_docs"])
        except (OSError, ValueError, KeyError) as fault:
            raise BadSnapshot(f"{folder.name}: not a readable keyword index") from fault
        self._local = threading.local()

    def search(self, words: Sequence[str], k: int, mask: Mask | None = None) -> tuple[Rows, Vector]:
        """The k rows with the highest BM25 among those where `mask` holds: rows and scores, best first; fewer when fewer match."""
        terms = self._terms(words)
        if not terms:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        total = self._buffer()
        read = 0
        lists: list[NDArray[np.int32]] = []
        later: list[int] = []
        for term in terms:
            start, end = self._starts[term], self._starts[term + 1]
            if lists and read + end - start > max(POSTINGS, self.count // 20):
                later.append(term)
                continue
            rows = self._rows[start:end]
            total[rows] += self._weights[start:end]  # a row stands once in a list, so plain addition is right
            lists.append(rows)
            read += end - start
        touched = np.concatenate(lists) if len(lists) > 1 else np.asarray(lists[0])
        allowed = touched if mask is None else touched[mask[touched]]
        scores = total[allowed]
        total[touched] = 0.0
        if later:
            allowed, scores = _best(allowed, scores, max(REFINED, 4 * k * len(lists)))
            for term in later:
                scores = scores + self._weights_of(term, allowed)
        # A row touched by t words stands t times with the same score: take t times as many, then keep one of each.
        allowed, scores = _best(allowed, scores, k * len(lists))
        order = np.lexsort((allowed, -scores))
        allowed, scores = allowed[order], scores[order]
        once = np.empty(len(allowed), dtype=np.bool_)  # equal rows have equal scores, so they stand together
        once[:1] = True
        np.not_equal(allowed[1:], allowed[:-1], out=once[1:])
        return allowed[once][:k].astype(np.int64), scores[once][:k]

    def scores(self, words: Sequence[str], rows: Rows) -> Vector:
        """BM25 of each of the rows, float32 [len(rows)]."""
        if self.few(rows):
            return np.asarray(self.weights(words, rows).sum(axis=1))
        total = self._buffer()  # many rows: summing whole lists is cheaper than looking each row up
        for term in self._terms(words):
            start, end = self._starts[term], self._starts[term + 1]
            total[self._rows[start:end]] += self._weights[start:end]
        found = total[rows]
        total[:] = 0.0
        return found

    def few(self, rows: Rows) -> bool:
        """Whether looking the rows up one by one is cheaper than reading whole lists."""
        return 8 * len(rows) < self.count

    def weights(self, words: Sequence[str], rows: Rows) -> Vector:
        """What each word adds to the BM25 of each of the rows, float32 [len(rows), words], for words in the order of `known`."""
        terms = self._terms(words)
        found = np.empty((len(terms), len(rows)), dtype=np.float32)
        wanted = rows.astype(np.int32)
        for place, term in enumerate(terms):
            found[place] = self._weights_of(term, wanted)
        return found.T

    def rows(self, word: str) -> NDArray[np.int32]:
        """The rows in which a word stands, in ascending order."""
        term = self._vocabulary.get(word)
        return self._rows[:0] if term is None else self._rows[self._starts[term] : self._starts[term + 1]]

    def known(self, words: Sequence[str]) -> list[str]:
        """The words that stand in any row, the most telling first; of a very long text the most telling only."""
        name = {self._vocabulary[word]: word for word in words if word in self._vocabulary}
        return [name[term] for term in self._terms(words)]

    def bound(self, words: Sequence[str]) -> float:
        """What no row's score can exceed: the summed idf of the words (Lucene's form), unknown words included.

        A score divided by it lies in [0, 1] and says how much of the query was matched.
        """
        return max(sum(self.idf(word) for word in set(words)), 1e-9)

    def idf(self, word: str) -> float:
        """How telling a word is: high when rare, and for words never seen."""
        term = self._vocabulary.get(word)
        seen = 0 if term is None else self._starts[term + 1] - self._starts[term]
        return math.log(1.0 + (self.count - seen + 0.5) / (seen + 0.5))

    def _terms(self, words: Sequence[str]) -> tuple[int, ...]:
        """Known terms, rarest first; of a very long text the rarest only."""
        asked, terms = getattr(self._local, "terms", ((), ()))  # a search asks several times for the same words
        if asked != (key := tuple(words)):
            known = {self._vocabulary[word] for word in words if word in self._vocabulary}
            rare = sorted(known, key=lambda term: (self._starts[term + 1] - self._starts[term], term))
            terms = tuple(rare[:MOST_TERMS])
            self._local.terms = (key, terms)
        return terms

    def _weights_of(self, term: int, rows: NDArray[np.int32]) -> Vector:
        """Float32 [len(rows)] for int32 rows: searching for another type would copy the whole list first."""
        start, end = self._starts[term], self._starts[term + 1]
        postings = self._rows[start:end]
        places = postings.searchsorted(rows)
        there = postings.take(places, mode="clip") == rows
        return np.asarray(self._weights[start:end].take(places, mode="clip") * there)

    def _buffer(self) -> Vector:
        buffer: Vector | None = getattr(self._local, "total", None)
        if buffer is None:
            buffer = self._local.total = np.zeros(self.count, dtype=np.float32)
        return buffer


def _best(rows: NDArray[np.int32], scores: Vector, count: int) -> tuple[NDArray[np.int32], Vector]:
    """The rows with the highest scores, in any order."""
    if count >= len(rows):
        return rows, scores
    best = np.argpartition(-scores, count - 1)[:count]
    return rows[best], scores[best]
