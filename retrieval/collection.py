"""All documents of one kind in a snapshot: their index rows, entries, columns for filters, and the documents themselves.

A *row* is one indexed text. An *entry* is what a search can find: a product, a help article, or a family of scripts, whatever
their locales. A product has one row a locale; a family has one for each title and each example in each locale, and its best row
speaks for it, so that a question in one language finds a script that is only worded like it in the other. An article has one for
each passage, and only the locale that would be quoted is searched.
"""

from __future__ import annotations

import hashlib
import mmap
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval import codec, lexical, vectors
from retrieval.articles import passages
from retrieval.documents import Article, Document, Kind, Limit, Passage, Script, SearchContext, Vector
from retrieval.eligibility import best_locale, language, script_refusal
from retrieval.errors import BadSnapshot
from retrieval.intent_head import IntentHead
from retrieval.metric import Metric
from retrieval.vectors import Mask, Rows

_MASKS = 64  # remembered filters
_DOCUMENTS = 8_192  # remembered parsed documents
FIELDS = ("title", "head")  # keyword indices of products beside the one over everything


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows and entries that a context allows."""

    rows: Mask | None  # None: all
    row_count: int
    entries: Mask
    entry_count: int
    documents: NDArray[np.int64]  # by entry: the document to return, where the entry is allowed


class Collection:
    """An opened collection. Immutable; searches may run in several threads at once."""

    def __init__(self, kind: Kind, folder: Path, dense: bool) -> None:
        self.kind = kind
        try:
            with np.load(folder / "columns.npz", allow_pickle=False) as columns:
                self._columns = {name: columns[name] for name in columns.files}
            with (folder / "documents.jsonl").open("rb") as lines:
                self._lines = mmap.mmap(lines.fileno(), 0, access=mmap.ACCESS_READ)
            self._hashes = (folder / "hashes.bin").read_bytes()
            brands = np.load(folder / "brands.npy", allow_pickle=False).tolist() if kind == "product" else ()
        except (OSError, ValueError, KeyError) as fault:
            raise BadSnapshot(f"{folder.name}: {fault}") from fault
        self.entry_of_row: NDArray[np.int32] = self._columns["entry_of_row"]
        self.entry_count = int(self.entry_of_row[-1]) + 1
        self.first_row = np.searchsorted(self.entry_of_row, np.arange(self.entry_count + 1))
        first: NDArray[np.int64] = self._columns["first_of_document"].astype(np.int64)
        self.first_of_document = np.append(first, len(self.entry_of_row))
        self.single = len(self.entry_of_row) == self.entry_count  # one row an entry: rows are entries
        self.lexical = lexical.LexicalIndex(folder / "lexical")
        self.fields = {name: lexical.LexicalIndex(folder / name) for name in FIELDS} if kind == "product" else {}
        self.brands = frozenset[str](brands)  # words that name a brand
        self.dense: vectors.DenseIndex | None = None
        self.mean: Vector | None = None
        self.metric: Metric | None = None
        self.head: IntentHead | None = None
        self._raw: Vector | None = None  # vectors as the encoder gave them, where the index holds others
        if dense:
            self._open_vectors(folder)
        self._locales: list[str] = self._columns["locales"].tolist()
        self._lock = threading.Lock()
        self._masks: OrderedDict[tuple[str, str | None], Filter] = OrderedDict()
        self._parsed: dict[int, Document] = {}
        self._offsets: NDArray[np.int64] = self._columns["offsets"]
        self._scripts: list[Script] = []
        self._variants: list[dict[str, int]] = []
        if kind == "script":
            self._scripts = [self._script(number) for number in range(len(self))]
            self._variants = [{} for _ in range(self.entry_count)]
            for number, script in enumerate(self._scripts):
                self._variants[int(self._columns["entry_of_document"][number])][script.locale] = number
        self.intent_of_entry = self._intents()  # by entry, its place in the head's names; empty without a head

    def __len__(self) -> int:
        return len(self._columns["entry_of_document"])

    def document(self, number: int) -> Document:
        """The document at a position, parsed on first use."""
        found = self._parsed.get(number)
        if found is None:
            start, end = self._offsets[number : number + 2].tolist()
            found = codec.from_line(self.kind, self._lines[start:end])
            if len(self._parsed) >= _DOCUMENTS:
                self._parsed.clear()  # rarer and cheaper than keeping an order of use
            self._parsed[number] = found  # two threads may parse the same: it is the same
        return found

    def passage(self, number: int, row: int) -> Passage | None:
        """The part of an article that a row stands for; None for documents that are quoted whole."""
        document = self.document(number)
        if not isinstance(document, Article):
            return None
        return passages(document)[row - int(self.first_of_document[number])]

    def query(self, vector: Vector) -> Vector:
        """An encoder's vector [d] as the index compares it. Raises ValueError when it is of another length."""
        if self.mean is None or vector.shape != self.mean.shape:
            held = "no" if self.mean is None else f"{len(self.mean)}-d"
            raise ValueError(f"the query vector has shape {vector.shape}, the index holds {held} vectors")
        single = np.asarray(vector, dtype=np.float32)
        return single if self.metric is None else self.metric.apply(single[None])[0]

    def vectors_by_hash(self) -> Mapping[str, Vector]:
        """The encoder's vector of each indexed text by the hash of the text; empty without a dense index."""
        if self.dense is None:
            return {}
        raw = self.dense.vectors if self._raw is None else self._raw
        size = 32
        return {self._hashes[row * size : (row + 1) * size].hex(): raw[row] for row in range(len(self._hashes) // size)}

    def _open_vectors(self, folder: Path) -> None:
        try:
            self.mean = np.load(folder / "mean.npy", allow_pickle=False)
            if (folder / "metric.npz").exists():
                self.metric = Metric.open(folder / "metric.npz")
                self._raw = np.load(folder / "raw.npy", mmap_mode="r", allow_pickle=False)
            if (folder / "intents.npz").exists():
                self.head = IntentHead.open(folder / "intents.npz")
        except (OSError, ValueError, KeyError) as fault:
            raise BadSnapshot(f"{folder.name}: {fault}") from fault
        self.dense = vectors.DenseIndex(folder / "vectors.faiss")

    def _intents(self) -> NDArray[np.int64]:
        if self.head is None:
            return np.empty(0, dtype=np.int64)
        place = {name: number for number, name in enumerate(self.head.names)}
        try:
            return np.asarray(
                [place[self._scripts[min(own.values())].intent] for own in self._variants], dtype=np.int64
            )
        except KeyError as fault:
            raise BadSnapshot(f"the intent head does not know {fault}") from fault

    def filter(self, context: SearchContext) -> Filter:
        """What the context allows."""
        return self._filter_scripts(context) if self.kind == "script" else self._filter_columns(context)

    def title_hashes(self, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
        """A hash of the title of each document, equal for titles that read the same."""
        return np.asarray(self._columns["title_hashes"][numbers])

    def rows_of(self, entries: Rows, allowed: Filter) -> tuple[Rows, NDArray[np.int64]]:
        """The rows that speak for allowed entries (in ascending order), and for each row the position of its entry in `entries`."""
        if self.single:
            return entries, np.arange(len(entries))
        if self.kind == "article":
            chosen = allowed.documents[entries]
            rows = [np.arange(self.first_of_document[one], self.first_of_document[one + 1]) for one in chosen.tolist()]
        elif len(entries) == self.entry_count:
            return np.arange(len(self.entry_of_row)), self.entry_of_row.astype(np.int64)
        else:
            rows = [np.arange(self.first_row[entry], self.first_row[entry + 1]) for entry in entries.tolist()]
        sizes = [len(part) for part in rows]
        return np.concatenate(rows) if rows else entries, np.repeat(np.arange(len(entries)), sizes)

    def shares(self, words: Sequence[str], rows: Rows, sparse: Vector, head: float) -> Vector:
        """How much of the query's idf each row matches, float32 [len(rows)] in [0, 1].

        `sparse` are the BM25 scores of the rows; with `head` above 0 that part of the share is measured in title and
        description alone, where a collection keeps them apart.
        """
        share = sparse / self.lexical.bound(words)
        if head > 0 and "head" in self.fields:
            index = self.fields["head"]
            share = (1.0 - head) * share + head * index.scores(words, rows) / index.bound(words)
        return np.asarray(np.clip(share, 0.0, 1.0), dtype=np.float32)

    def _script(self, number: int) -> Script:
        found = self.document(number)
        if not isinstance(found, Script):
            raise BadSnapshot(f"document {number} is not a script")
        return found

    def _filter_scripts(self, context: SearchContext) -> Filter:
        documents = np.full(self.entry_count, -1, dtype=np.int64)
        for entry, numbers in enumerate(self._variants):
            chosen = best_locale(list(numbers), context.locale)
            if chosen is not None and script_refusal(self._scripts[numbers[chosen]], context) is None:
                documents[entry] = numbers[chosen]
        entries = documents >= 0
        rows = entries[self.entry_of_row]
        return Filter(rows, int(rows.sum()), entries, int(entries.sum()), documents)

    def _filter_columns(self, context: SearchContext) -> Filter:
        key = (context.locale, context.region)
        with self._lock:
            found = self._masks.get(key)
        if found is None:
            found = self._column_filter(*key)
            with self._lock:
                self._masks[key] = found
                if len(self._masks) > _MASKS:
                    self._masks.popitem(last=False)
        if not context.exclude and (context.limit is None or self.kind != "product"):
            return found
        entries = found.entries.copy()
        entries[self._entries_of(context.exclude)] = False
        if context.limit is not None and self.kind == "product":
            entries &= self._within(context.limit, found.documents)
        rows = self._rows_allowed(entries, found.documents)
        return Filter(rows, int(np.count_nonzero(rows)), entries, int(np.count_nonzero(entries)), found.documents)

    def _within(self, limit: Limit, documents: NDArray[np.int64]) -> Mask:
        """The entries that cost what is allowed, or are priced in another currency, which nobody here can convert."""
        price = self._columns["price"][documents]
        allowed = np.ones(len(documents), dtype=np.bool_)
        if limit.least is not None:
            allowed &= price >= limit.least
        if limit.most is not None:
            allowed &= price <= limit.most
        currencies = self._columns["currencies"].tolist()
        if limit.currency is not None:
            code = currencies.index(limit.currency) if limit.currency in currencies else -1
            allowed |= self._columns["currency"][documents] != code
        return allowed

    def _column_filter(self, locale: str, region: str | None) -> Filter:
        entry_of_document = self._columns["entry_of_document"]
        allowed = self._columns["stock"].copy()
        if region is not None:
            regions = self._columns["regions"].tolist()
            allowed &= (
                self._columns["region_bits"][:, regions.index(region)]
                if region in regions
                else self._columns["everywhere"]
            )
        documents = np.full(self.entry_count, -1, dtype=np.int64)
        # A shop that keeps its catalogue in one language sells to everybody: other languages stand in, the wanted one wins.
        wanted = {number for number, name in enumerate(self._locales) if language(name) == language(locale)}
        exact = {number for number, name in enumerate(self._locales) if name == locale}
        preference = np.asarray(
            [(number in wanted) + (number in exact) for number in range(len(self._locales))], dtype=np.int8
        )[self._columns["locale"]]
        for level in range(3):
            numbers = np.flatnonzero(allowed & (preference == level))
            documents[entry_of_document[numbers]] = numbers
        entries = documents >= 0
        rows = self._rows_allowed(entries, documents)
        count = int(entries.sum())
        return Filter(None if bool(rows.all()) else rows, int(rows.sum()), entries, count, documents)

    def _rows_allowed(self, entries: Mask, documents: NDArray[np.int64]) -> Mask:
        """All rows of the allowed entries; of articles those in the locale that would be quoted."""
        if self.single:
            return entries
        if self.kind != "article":
            return entries[self.entry_of_row]
        sizes = np.diff(self.first_of_document)
        return (
            np.repeat(documents[self._columns["entry_of_document"]] == np.arange(len(self)), sizes)
            & (entries[self.entry_of_row])
        )

    def numbers_of(self, names: Iterable[str], context: SearchContext) -> list[int]:
        """The documents that the context allows of these ids, in the order given."""
        allowed = self._filter_columns(context)
        entries = [self._entries_of([name]) for name in names]
        return [int(allowed.documents[one[0]]) for one in entries if len(one) and allowed.entries[one[0]]]

    def _entries_of(self, names: Iterable[str]) -> NDArray[np.int64]:
        """The entries of the ids that exist here."""
        wanted = np.asarray([short_hash(name) for name in names], dtype=np.uint64)
        hashes = self._columns["id_hashes"]
        places = np.minimum(np.searchsorted(hashes, wanted), len(hashes) - 1)
        numbers = self._columns["id_order"][places[hashes[places] == wanted]]
        return np.asarray(self._columns["entry_of_document"][numbers], dtype=np.int64)


def short_hash(text: str) -> int:
    """What an id or a title is found by, 64 bits."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
