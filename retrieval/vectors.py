"""The dense index, and the only module that knows faiss. Single-threaded: torch brings an OpenMP of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss as _faiss
import numpy as np
from numpy.typing import NDArray

from retrieval.documents import Vector
from retrieval.errors import BadSnapshot

faiss: Any = _faiss  # its stubs know neither selectors nor graph parameters
faiss.omp_set_num_threads(1)

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Progress = Callable[[int, int], None]

FLAT_UP_TO = 5_000  # rows; above, a graph is faster than looking at every vector
NEIGHBOURS = 32
EF_CONSTRUCTION = 160
EF_SEARCH = 64  # of short queries on Chorus .93 of the ten nearest are found; 96 finds .95 and takes a third longer
# A filter that leaves few rows is answered by comparing all of them: exact, and cheaper than a graph walk that mostly meets
# forbidden rows. A walk widened for a filter costs in proportion to rows / allowed, a scan to allowed; they meet where
# allowed² is about this many times the rows.
SCAN = 600
_CHUNK = 2_000


def write(vectors: Vector, path: Path, progress: Progress | None = None) -> None:
    """Build an index over unit vectors float32 [n, d] and write it to `path`.

    The graph is built by Euclidean distance, which orders unit vectors as cosine does: its links came out better than those
    built by inner product (recall@10 of short queries .92 against .89 at the same width of search).
    """
    count, dim = vectors.shape
    if count <= FLAT_UP_TO:
        index = faiss.IndexFlatIP(dim)
    else:
        index = faiss.IndexHNSWFlat(dim, NEIGHBOURS, faiss.METRIC_L2)
        index.hnsw.efConstruction = EF_CONSTRUCTION
    for start in range(0, count, _CHUNK):
        index.add(np.ascontiguousarray(vectors[start : start + _CHUNK], dtype=np.float32))
        if progress is not None:
            progress(min(start + _CHUNK, count), count)
    faiss.write_index(index, str(path))


class DenseIndex:
    """An opened index, memory-mapped. Searches may run in several threads at once."""

    def __init__(self, path: Path) -> None:
        try:
            self._index: Any = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as fault:
            raise BadSnapshot(f"{path.name}: not an index that faiss can read") from fault
        self._flat = isinstance(self._index, faiss.IndexFlat)
        storage = self._index if self._flat else faiss.downcast_index(self._index.storage)
        self.count: int = self._index.ntotal
        self.dim: int = self._index.d
        self.vectors: Vector = faiss.rev_swig_ptr(storage.get_xb(), self.count * self.dim).reshape(-1, self.dim)
        self.vectors.flags.writeable = False

    def search(
        self, vector: Vector, k: int, mask: Mask | None = None, allowed: int | None = None
    ) -> tuple[Rows, Vector]:
        """The k rows nearest to `vector` [d] among those where `mask` [n] holds: rows and cosines, best first.

        `allowed` is the number of true entries of `mask`, where the caller knows it. Min(k, allowed) rows come back,
        however few the mask leaves.
        """
        if mask is None:
            allowed = self.count
        elif allowed is None:
            allowed = int(np.count_nonzero(mask))
        k = min(k, allowed)
        if k == 0:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        if mask is not None and allowed * allowed <= SCAN * self.count:
            return self._exact(vector, k, mask)
        selector, bits = None, None
        if mask is not None and allowed < self.count:
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
        if self._flat:
            parameters = faiss.SearchParameters(sel=selector)
        else:
            # The walk ends after efSearch visited rows, forbidden ones included: widen it where a filter takes most of them away.
            wide = max(EF_SEARCH, k)
            if 2 * allowed < self.count:
                wide = wide * self.count // allowed
            parameters = faiss.SearchParametersHNSW(sel=selector, efSearch=wide)
        near, rows = self._index.search(vector.reshape(1, -1), k, params=parameters)
        cosines = 1.0 - near / 2.0 if self._index.metric_type == faiss.METRIC_L2 else near
        found = rows[0] >= 0
        if mask is not None and int(found.sum()) < k:  # the graph walk got stuck behind forbidden rows
            return self._exact(vector, k, mask)
        return rows[0][found], cosines[0][found]

    def cosines(self, vector: Vector, rows: Rows) -> Vector:
        """Cosine of `vector` [d] with each of the rows, float32 [len(rows)]."""
        return np.asarray(self.vectors[rows] @ vector, dtype=np.float32)

    def _exact(self, vector: Vector, k: int, mask: Mask) -> tuple[Rows, Vector]:
        rows = np.flatnonzero(mask)
        cosines = self.cosines(vector, rows)
        best = np.argpartition(-cosines, k - 1)[:k] if k < len(rows) else np.arange(len(rows))
        best = best[np.argsort(-cosines[best], kind="stable")]
        return rows[best], cosines[best]
