"""`staywell bench search`: how fast, how exact and how large search is, over made-up catalogues of growing size."""

from __future__ import annotations

import gc
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from retrieval import store
from retrieval.commands import AsJson, print_json, progress_bars, stop
from retrieval.documents import Product, SearchContext, Vector
from retrieval.encoders import unit
from retrieval.search import Retriever
from retrieval.snapshot import Snapshot

DIM = 512
TOPICS = 400
WORDS = 30_000
RARE_REGION = "NZ"  # one product in a hundred is sold there
_out = Console(highlight=False, soft_wrap=True)


class MadeUpEncoder:
    """Vectors like those of a sentence encoder: a text belongs to a topic, and scatters around it. Deterministic."""

    dim = DIM
    fingerprint = "made-up-1"

    def __init__(self) -> None:
        self._topics = unit(np.random.default_rng(1).normal(size=(TOPICS, DIM)))

    def encode(self, texts: Sequence[str]) -> Vector:
        """Float32 [n, 512], L2-normalised."""
        rows = np.empty((len(texts), DIM), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            seed = zlib.crc32(text.encode())
            row[:] = np.random.default_rng(seed).normal(size=DIM) * (0.9 / DIM**0.5) + self._topics[seed % TOPICS]
        return unit(rows)


def made_up(count: int) -> list[Product]:
    """Products whose words follow the law of Zipf and Mandelbrot (the commonest stands in every third), nine in ten in stock."""
    random = np.random.default_rng(2)
    lengths = random.integers(15, 40, count)
    shares = 1.0 / (np.arange(1, WORDS + 1) + 10.0) ** 1.1
    ranks = random.choice(WORDS, int(lengths.sum()), p=shares / shares.sum())
    products = []
    start = 0
    for number, length in enumerate(lengths.tolist()):
        words = [f"w{rank}" for rank in ranks[start : start + length].tolist()]
        start += length
        products.append(
            Product(
                id=f"p{number}",
                locale="en",
                title=" ".join([f"model{number}", *words[:7]]),
                description=" ".join(words[7:]),
                stock=int(number % 10 > 0),
                regions=(RARE_REGION, "DE") if number % 100 == 1 else ("DE", "FR"),
            )
        )
    return products


def search(
    sizes: Annotated[str, typer.Option(help="Numbers of products, separated by commas.")] = "1000,10000,100000",
    queries: Annotated[int, typer.Option(min=50, help="Searches of each kind.")] = 1_000,
    work: Annotated[
        Path | None, typer.Option(help="Folder to keep the indices in, so that the next run is quick.", file_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Latency of a whole search on one thread, recall of the dense index against an exact scan, memory, size and load time.

    CPU time stands beside the clock's, because on a busy machine the clock mostly measures the neighbours.
    """
    try:
        counts = [int(size) for size in sizes.split(",")]
    except ValueError:
        raise stop("--sizes expects numbers, separated by commas") from None
    if any(count < 200 for count in counts):
        raise stop("--sizes: at least 200 products are needed, so that one in a hundred is still a choice")
    results = []
    for count in counts:
        with tempfile.TemporaryDirectory(prefix="staywell-") as scratch, progress_bars() as progress:
            results.append(measure(count, queries, (work or Path(scratch)) / str(count), progress))
    if as_json:
        print_json({"dim": DIM, "k": 10, "threads": 1, "sizes": results})
        return
    table = Table(
        "products",
        "p50 ms",
        "p99 ms",
        "p99 CPU ms",
        "1 % filter p99",
        "recall@10",
        "load s",
        "index MB",
        "RSS MB",
        box=None,
    )
    for one in results:
        table.add_row(
            f"{one['products']:,}",
            f"{one['latency_ms']['p50']:.2f}",
            f"{one['latency_ms']['p99']:.2f}",
            f"{one['latency_ms']['cpu_p99']:.2f}",
            f"{one['filtered_ms']['p99']:.2f}",
            f"{one['recall@10']:.3f}",
            f"{one['load_s']:.2f}",
            f"{one['index_mb']:.0f}",
            f"{one['rss_mb']:.0f}",
        )
    _out.print(table)


def measure(count: int, queries: int, folder: Path, progress: Callable[[str, int, int], None] | None) -> dict[str, Any]:
    """Build (or reuse) an index of `count` products in `folder` and measure it."""
    encoder = MadeUpEncoder()
    products = made_up(count)
    began = time.perf_counter()
    built = store.build(folder, [], products, encoder, progress)
    build_s = time.perf_counter() - began
    path = built.path
    random = np.random.default_rng(3)
    asked = [products[number] for number in random.integers(0, count, queries)]
    texts = [" ".join(random.permutation(one.description.split())[:4]) for one in asked]
    vectors = encoder.encode([one.description for one in asked])
    del products, built
    gc.collect()
    began = time.perf_counter()
    snapshot = Snapshot.open(path, encoder.fingerprint)
    load_s = time.perf_counter() - began
    retriever = Retriever(snapshot)
    plain = SearchContext("product", "en", k=10, region="DE")
    rare = SearchContext("product", "en", k=10, region=RARE_REGION)
    for vector, text in zip(vectors[:20], texts, strict=False):
        retriever.search(vector, text, plain)
        retriever.search(vector, text, rare)
    latency, found = _timed(retriever, vectors, texts, plain)
    filtered, found_rare = _timed(retriever, vectors, texts, rare)
    return {
        "products": count,
        "queries": queries,
        "latency_ms": latency,
        "filtered_ms": filtered,
        "fewest": min(found),
        "fewest_filtered": min(found_rare),
        "recall@10": _recall(snapshot, vectors),
        "build_s": build_s,
        "load_s": load_s,
        "index_mb": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3),
    }


def _timed(
    retriever: Retriever, vectors: Vector, texts: Sequence[str], context: SearchContext
) -> tuple[dict[str, float], list[int]]:
    taken, used, found = [], [], []
    for vector, text in zip(vectors, texts, strict=True):
        began, worked = time.perf_counter(), time.thread_time()
        candidates = retriever.search(vector, text, context)
        used.append((time.thread_time() - worked) * 1e3)
        taken.append((time.perf_counter() - began) * 1e3)
        found.append(len(candidates))
    p50, p95, p99 = np.quantile(taken, [0.5, 0.95, 0.99]).tolist()
    return {"p50": p50, "p95": p95, "p99": p99, "cpu_p99": float(np.quantile(used, 0.99))}, found


def _recall(snapshot: Snapshot, vectors: Vector) -> float:
    dense = snapshot.collections["product"].dense
    if dense is None:
        return 0.0
    hits = 0
    asked = vectors[:200]
    for vector in asked:
        exact = np.argpartition(-(dense.vectors @ vector), 10)[:10]
        hits += len(set(exact.tolist()) & set(dense.search(vector, 10)[0].tolist()))
    return hits / (10 * len(asked))
