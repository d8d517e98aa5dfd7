"""Group commit against raw sqlite3 at equal batch.

`python -m benchmarks.storage_group_commit [--writers 32] [--rows 6400] [--dir DIR]` prints one JSON object.

Ours: so many coroutines that each store a row through `Storage.write` and wait for its commit. Raw: the sqlite3 module in one
thread, the same row, a SAVEPOINT a row, the batches that ours had, the same pragmas; no threads, no event loop, nobody who waits.
`one_by_one`: a transaction a row, which is what group commit saves. Each is run in turn, several times; the median counts.
`commit_ms` is what a commit of one row costs here: the smaller it is (a RAM disk, a cache that lies), the more the ratio speaks of
Python alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, insert

from assistant.storage import migrate
from assistant.storage.engine import Batch, Storage
from assistant.storage.tables import meta

VALUE = "x" * 100
ADD = insert(meta)


async def _ours(folder: Path, writers: int, rows: int) -> tuple[float, list[int]]:
    """Rows a second, and the sizes of the batches."""
    url = f"sqlite:///{(folder / 'ours.db').as_posix()}"
    migrate.upgrade(url)
    batches: list[Batch] = []
    storage = Storage(url, on_batch=batches.append)

    async def write(writer: int) -> None:
        for n in range(rows // writers):
            key = f"{writer}/{n}"

            def work(connection: Connection, key: str = key) -> None:
                connection.execute(ADD, {"key": key, "value": VALUE})

            await storage.write(work)

    await storage.write(lambda _connection: None)  # connected
    batches.clear()
    started = time.perf_counter()
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    took = time.perf_counter() - started
    await asyncio.to_thread(storage.close)
    return rows / took, [batch.jobs for batch in batches]


def _raw(folder: Path, batches: list[int], name: str) -> float:
    """Rows a second."""
    connection = sqlite3.connect(folder / f"{name}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("CREATE TABLE meta (key VARCHAR(64) NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
    n = 0
    started = time.perf_counter()
    for size in batches:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(size):
            connection.execute("SAVEPOINT job")
            connection.execute("INSERT INTO meta (key, value) VALUES (?, ?)", (f"row/{n}", VALUE))
            connection.execute("RELEASE SAVEPOINT job")
            n += 1
        connection.execute("COMMIT")
    took = time.perf_counter() - started
    connection.close()
    return n / took


def measure(base: Path | None, writers: int, rows: int, runs: int) -> dict[str, Any]:
    """The figures, medians of `runs`."""
    ours, raw, single, sizes = [], [], [], []
    for _ in range(runs):
        with TemporaryDirectory(dir=base) as name:
            folder = Path(name)
            speed, batches = asyncio.run(_ours(folder, writers, rows))
            ours.append(speed)
            sizes += batches
            raw.append(_raw(folder, batches, "raw"))
            single.append(_raw(folder, [1] * max(100, rows // 20), "single"))
    ratios = [mine / theirs for mine, theirs in zip(ours, raw, strict=True)]
    return {
        "writers": writers,
        "rows": rows,
        "runs": runs,
        "batch_mean": round(statistics.mean(sizes), 1),
        "ours_rows_per_s": round(statistics.median(ours)),
        "raw_rows_per_s": round(statistics.median(raw)),
        "one_by_one_rows_per_s": round(statistics.median(single)),
        "ratio_to_raw": round(statistics.median(ratios), 2),
        "ratio_spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "commit_ms": round(1000 / statistics.median(single), 3),
    }


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", type=int, default=32)
    parser.add_argument("--rows", type=int, default=6400)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--dir", type=Path, help="a folder on the disk to be measured")
    arguments = parser.parse_args()
    found = measure(arguments.dir, arguments.writers, arguments.rows, arguments.runs)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
