"""Vectors of texts, kept on disk by the encoder's fingerprint and the text's hash, so that nothing is encoded twice."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable
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

    def lookup(self, texts: Iterable[str], progress: Callable[[int, int], None] | None = None) -> dict[str, Vector]:
        """A vector for each distinct text, float32 [d]. `progress(done, total)` is called as chunks are encoded."""
        distinct = sorted(set(texts))
        keys = {text: hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in distinct}
        found: dict[str, Vector] = {}
        with closing(sqlite3.connect(self._path)) as store:
            store.execute("CREATE TABLE IF NOT EXISTS vector (key BLOB PRIMARY KEY, value BLOB NOT NULL)")
            for text in distinct:
                row = store.execute("SELECT value FROM vector WHERE key = ?", (keys[text],)).fetchone()
                if row is not None and len(row[0]) == 4 * self.dim:
                    found[text] = np.frombuffer(row[0], dtype=np.float32)
            missing = [text for text in distinct if text not in found]
            for start in range(0, len(missing), _CHUNK):
                chunk = missing[start : start + _CHUNK]
                vectors = np.ascontiguousarray(self._encoder.encode(chunk), dtype=np.float32)
                rows = [(keys[text], vector.tobytes()) for text, vector in zip(chunk, vectors, strict=True)]
                store.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?)", rows)
                store.commit()
                found.update(zip(chunk, vectors, strict=True))
                if progress is not None:
                    progress(min(start + _CHUNK, len(missing)), len(missing))
        return found
