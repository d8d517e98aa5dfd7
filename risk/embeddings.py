"""Vectors of texts, kept on disk by the encoder's fingerprint and the text's hash, so that nothing is encoded twice."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from retrieval.documents import Encoder
from risk.types import Vector

_CHUNK = 64


class CachedEncoder:
    """An encoder with a memory under `folder` (one SQLite file a fingerprint). Not for serving: a turn is encoded once anyway."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        self._encoder = encoder
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(encoder.fingerprint.encode()).hexdigest()[:16]
        self._path = folder / f"vectors-{name}.sqlite"

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self._encoder.dim

    @property
    def fingerprint(self) -> str:
        """The wrapped encoder's fingerprint."""
        return self._encoder.fingerprint

    def fill(self, texts: Iterable[str], progress: Callable[[int, int], None] | None = None) -> None:
        """Encodes what is not remembered yet, without giving anything back."""
        distinct = sorted(set(texts))
        with closing(self._open()) as store:
            missing = [text for text in distinct if self._remembered(store, _key(text)) is None]
            for _ in self._encoded(store, missing, progress):
                pass

    def lookup(self, texts: Iterable[str], progress: Callable[[int, int], None] | None = None) -> dict[str, Vector]:
        """A vector for each distinct text, float32 [d]. `progress(done, total)` is called as chunks are encoded."""
        found: dict[str, Vector] = {}
        missing = []
        with closing(self._open()) as store:
            for text in sorted(set(texts)):
                value = self._remembered(store, _key(text))
                if value is None:
                    missing.append(text)
                else:
                    found[text] = value
            for chunk, vectors in self._encoded(store, missing, progress):
                found.update(zip(chunk, vectors, strict=True))
        return found

    def _open(self) -> sqlite3.Connection:
        store = sqlite3.connect(self._path)
        store.execute("CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, value BLOB NOT NULL)")
        return store

    def _remembered(self, store: sqlite3.Connection, key: bytes) -> Vector | None:
        row = store.execute("SELECT value FROM vector WHERE key = ?", (key,)).fetchone()
        return None if row is None or len(row[0]) != 4 * self.dim else np.frombuffer(row[0], dtype=np.float32)

    def _encoded(
        self, store: sqlite3.Connection, missing: Sequence[str], progress: Callable[[int, int], None] | None
    ) -> Iterator[tuple[Sequence[str], Vector]]:
        """Chunk by chunk, each remembered before the next."""
        for start in range(0, len(missing), _CHUNK):
            chunk = missing[start : start + _CHUNK]
            vectors = np.ascontiguousarray(self._encoder.encode(chunk), dtype=np.float32)
            rows = [(_key(text), vector.tobytes()) for text, vector in zip(chunk, vectors, strict=True)]
            store.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", rows)
            store.commit()
            yield chunk, vectors
            if progress is not None:
                progress(min(start + _CHUNK, len(missing)), len(missing))


def forget(folder: Path, texts: Iterable[str]) -> int:
    """Takes the vectors of these texts out of every memory under `folder`, and off the disk; how many went."""
    keys = [(_key(text),) for text in set(texts)]
    gone = 0
    for path in sorted(folder.glob("vectors-*.sqlite")) if keys else ():
        with closing(sqlite3.connect(path)) as store:
            store.execute("PRAGMA secure_delete = ON")
            gone += store.executemany("DELETE FROM vector WHERE key = ?", keys).rowcount
            store.commit()
    return gone


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
