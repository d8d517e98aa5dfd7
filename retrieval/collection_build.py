"""Writes all documents of one kind into a snapshot: what of each becomes a vector, what words may match, columns for filters.

What rows and entries are is said in `retrieval.collection`, which opens what is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import codec, intent_head, lexical, metric, vectors
from retrieval.articles import passage_text, passages
from retrieval.collection import short_hash
from retrieval.currencies import exponent
from retrieval.documents import Document, Encoder, Kind, Product, Script, Vector
from retrieval.intent_head import IntentHead
from retrieval.pinned import OWN_SHARE, brand_words
from retrieval.text import clean

Progress = Callable[[str, int, int], None]
Known = Callable[[str], Vector | None]
_BATCH = 256
DESCRIBED = 600  # code points of a description that count as what the product is


def product_head(product: Product) -> str:
    """What of a product becomes its vector: title, category and the beginning of the description.

    Attributes stay out: a long list of measures and colours says little of what a thing is, and made the vectors worse.
    """
    brand = "" if product.brand.casefold() in product.title.casefold() else product.brand
    parts = (product.title, brand, product.category, product.description[:DESCRIBED])
    return clean(" . ".join(part for part in parts if part))


def product_text(product: Product) -> str:
    """All of a product that words may match: title, brand, category, description, attributes."""
    attributes = " ".join(f"{name.replace('_', ' ')} {value}" for name, value in product.attributes.items())
    parts = (product.title, product.brand, product.category, product.description, attributes)
    return clean(" . ".join(part for part in parts if part), limit=20_000)


def script_texts(script: Script) -> list[str]:
    """What of a script is indexed: what customers say, and its title. Its wording is not: it is what we say."""
    return [clean(text) for text in dict.fromkeys((*script.examples, script.title))]


def indexed_texts(document: Document) -> tuple[list[str], list[str]]:
    """The rows of a document: what of each becomes a vector, and what of each words may match."""
    if isinstance(document, Product):
        return [product_head(document)], [product_text(document)]
    if isinstance(document, Script):
        own = script_texts(document)
    else:
        own = [passage_text(document, passage) for passage in passages(document)]
    return own, own


def write(
    kind: Kind,
    documents: Sequence[Document],
    folder: Path,
    encoder: Encoder | None,
    known: Known,
    progress: Progress | None,
) -> dict[str, Any]:
    """Write a collection. `known` gives the vector of a text by its hash where an earlier snapshot has it. Returns counts."""
    folder.mkdir(parents=True)
    ordered = sorted(documents, key=lambda document: (_entry_key(document), document.locale, document.id))
    texts: list[str] = []  # what is encoded
    words: list[str] = []  # what is searched by words
    entry_of_row: list[int] = []
    entry_of_document: list[int] = []
    first_of_document: list[int] = []  # row
    entries = -1
    previous: str | None = None
    for document in ordered:
        key = _entry_key(document)
        entries += key != previous
        previous = key
        entry_of_document.append(entries)
        first_of_document.append(len(texts))
        own, own_words = indexed_texts(document)
        texts.extend(own)
        words.extend(own_words)
        entry_of_row.extend([entries] * len(own))
    offsets = _write_lines(ordered, folder / "documents.jsonl")
    hashes = [codec.digest(text.encode()) for text in texts]
    id_hashes = np.asarray([short_hash(document.id) for document in ordered], dtype=np.uint64)
    id_order = np.argsort(id_hashes, kind="stable")
    locales = sorted({document.locale for document in ordered})
    currencies = sorted({document.currency for document in ordered if isinstance(document, Product)})
    regions = sorted({region for document in ordered if isinstance(document, Product) for region in document.regions})
    np.savez(
        folder / "columns.npz",
        offsets=offsets,
        id_hashes=id_hashes[id_order],
        id_order=id_order,
        title_hashes=np.asarray(
            [short_hash(clean(document.title).casefold()) for document in ordered], dtype=np.uint64
        ),
        entry_of_row=np.asarray(entry_of_row, dtype=np.int32),
        entry_of_document=np.asarray(entry_of_document, dtype=np.int32),
        first_of_document=np.asarray(first_of_document, dtype=np.int32),
        locale=np.asarray([locales.index(document.locale) for document in ordered], dtype=np.int16),
        locales=np.asarray(locales, dtype=np.str_),
        stock=np.asarray(
            [document.stock > 0 if isinstance(document, Product) else True for document in ordered], dtype=np.bool_
        ),
        price=np.asarray([_price(document) for document in ordered], dtype=np.float64),
        currency=np.asarray(
            [currencies.index(document.currency) if isinstance(document, Product) else 0 for document in ordered],
            dtype=np.int16,
        ),
        currencies=np.asarray(currencies, dtype=np.str_),
        regions=np.asarray(regions, dtype=np.str_),
        region_bits=np.asarray(
            [[_sold_in(document, region) for region in regions] for document in ordered], dtype=np.bool_
        ).reshape(len(ordered), len(regions)),
        everywhere=np.asarray(
            [not isinstance(document, Product) or not document.regions for document in ordered], dtype=np.bool_
        ),
    )
    (folder / "hashes.bin").write_bytes(b"".join(bytes.fromhex(text_hash) for text_hash in hashes))
    lexical.write(words, folder / "lexical", _named(progress, f"{kind} words"))
    if kind == "product":
        titles = [document.title for document in ordered]
        lexical.write(titles, folder / "title", _named(progress, f"{kind} titles"))
        lexical.write(texts, folder / "head", _named(progress, f"{kind} heads"))
        _write_brands(ordered, folder)
    encoded = 0
    if encoder is not None:
        matrix, encoded = _encode(kind, texts, hashes, encoder, known, progress)
        np.save(folder / "mean.npy", matrix.mean(axis=0), allow_pickle=False)
        head = _learn_intents(ordered, entry_of_document, entry_of_row, texts, matrix)
        if head is not None:
            head.save(folder / "intents.npz")
        learned = metric.learn(matrix, entry_of_row) if kind == "script" else None
        if learned is not None:
            np.save(folder / "raw.npy", matrix, allow_pickle=False)
            learned.save(folder / "metric.npz")
            matrix = learned.apply(matrix)
        vectors.write(matrix, folder / "vectors.faiss", _named(progress, f"{kind} index"))
    return {"documents": len(ordered), "entries": entries + 1, "rows": len(texts), "encoded": encoded}


def _write_lines(ordered: Sequence[Document], path: Path) -> NDArray[np.int64]:
    """The documents, one a line; where each begins, and the end."""
    sizes = [0]
    with path.open("wb") as file:
        for document in ordered:
            sizes.append(file.write(codec.to_line(document) + b"\n"))
    return np.cumsum(sizes, dtype=np.int64)


def _write_brands(ordered: Sequence[Document], folder: Path) -> None:
    """The words that name a brand of the catalogue, and are not more often just words."""
    brand_of_row = [
        set(brand_words(document.brand)) if isinstance(document, Product) else set() for document in ordered
    ]
    words = lexical.LexicalIndex(folder / "lexical")
    own: list[str] = []
    for word in sorted(set().union(*brand_of_row)):
        rows = words.rows(word)
        if len(rows) and sum(word in brand_of_row[row] for row in rows.tolist()) >= OWN_SHARE * len(rows):
            own.append(word)
    np.save(folder / "brands.npy", np.asarray(own, dtype=np.str_), allow_pickle=False)


def _encode(
    kind: Kind, texts: Sequence[str], hashes: Sequence[str], encoder: Encoder, known: Known, progress: Progress | None
) -> tuple[Vector, int]:
    matrix = np.empty((len(texts), encoder.dim), dtype=np.float32)
    missing: list[int] = []
    for row, text_hash in enumerate(hashes):
        vector = known(text_hash)
        if vector is None:
            missing.append(row)
        else:
            matrix[row] = vector
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        matrix[batch] = encoder.encode([texts[row] for row in batch])
        if progress is not None:
            progress(f"{kind} vectors", start + len(batch), len(missing))
    return matrix, len(missing)


def _learn_intents(
    ordered: Sequence[Document],
    entry_of_document: Sequence[int],
    entry_of_row: Sequence[int],
    texts: Sequence[str],
    matrix: Vector,
) -> IntentHead | None:
    intent = {
        entry: document.intent
        for entry, document in zip(entry_of_document, ordered, strict=True)
        if isinstance(document, Script)
    }
    return intent_head.fit(matrix, texts, [intent[entry] for entry in entry_of_row]) if intent else None


def _price(document: Document) -> float:
    """In major units; 0 for what is not sold."""
    return document.price / 10 ** exponent(document.currency) if isinstance(document, Product) else 0.0


def _sold_in(document: Document, region: str) -> bool:
    return not isinstance(document, Product) or not document.regions or region in document.regions


def _entry_key(document: Document) -> str:
    return document.family if isinstance(document, Script) else document.id


def _named(progress: Progress | None, name: str) -> Callable[[int, int], None] | None:
    return None if progress is None else lambda done, total: progress(name, done, total)
