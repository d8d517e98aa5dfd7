"""Group commit against raw sqlite3 at equal batch.

`python -m benchmarks.storage_group_commit [--writers 32] [--rows 6400] [--dir DIR]` prints one JSON object.

Ours: so many coroutines that each store a row through `Storage.write` and wait for its commit. Raw: the sqlite3 module in one
thread, the same row, a SAVEPOINT a row, the batches that ours had, the same pragmas; no threads, no event loop, nobody who waits.
`one_by_one`: a transaction a row, which is what group commit saves. Each is run in turn, several times; the median counts.
`commit_ms` is what a commit of one row costs here: the smaller it is (a RAM disk, a cache that lies), the more the ratio speaks of
Python alone. So the processor time of a row is measured too, which a busy machine blurs less, and from it what the ratio would be
on a disk that takes so many milliseconds to sync (`ratio_at_ms`), all of it one after the other.
`statement_us` is what one INSERT costs within a transaction: said to sqlite3 itself, prepared (`assistant.storage.prepared`), and
executed by SQLAlchemy, which keeps what it has compiled.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop
from sqlalchemy import Connection, insert

from assistant.storage import migrate
from assistant.storage.connections import connect
from assistant.storage.engine import Batch, Storage
from assistant.storage.prepared import Prepared
from assistant.storage.tables import meta

VALUE = "x" * 100
SYNCS_MS = (0.2, 1, 2, 5, 10)
ADD = Prepared(insert(meta))


async def _ours(folder: Path, writers: int, rows: int) -> tuple[float, float, list[int]]:
    """Rows a second, processor time of a row in microseconds, and the sizes of the batches."""
    url = f"sqlite:///{(folder / 'ours.db').as_posix()}"
    migrate.upgrade(url)
    batches: list[Batch] = []
    storage = Storage(url, on_batch=batches.append)

    async def write(writer: int) -> None:
        for n in range(rows // writers):
            key = f"{writer}/{n}"

            def work(connection: Connection, key: str = key) -> None:
                ADD.run(connection, key=key, value=VALUE)

            await storage.write(work)

    await storage.write(lambda _connection: None)  # connected
    batches.clear()
    started, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*(write(writer) for writer in range(writers)))
    took, worked = time.perf_counter() - started, time.process_time() - worked
    await asyncio.to_thread(storage.close)
    return rows / took, worked / rows * 1e6, [batch.jobs for batch in batches]


def _raw(folder: Path, batches: list[int], name: str) -> tuple[float, float]:
    """Rows a second, and processor time of a row in microseconds."""
    connection = sqlite3.connect(folder / f"{name}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("CREATE TABLE meta (key VARCHAR(64) NOT NULL PRIMARY KEY, value TEXT NOT NULL)")
    n = 0
    started, worked = time.perf_counter(), time.process_time()
    for size in batches:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(size):
            connection.execute("SAVEPOINT job")
            connection.execute("INSERT INTO meta (key, value) VALUES (?, ?)", (f"row/{n}", VALUE))
            connection.execute("RELEASE SAVEPOINT job")
            n += 1
        connection.execute("COMMIT")
    took, worked = time.perf_counter() - started, time.process_time() - worked
    connection.close()
    return n / took, worked / n * 1e6


def _statements(folder: Path, rows: int) -> dict[str, float]:
    """Microseconds of one INSERT by the way it is said."""
    statement = insert(meta)
    engine = connect(f"sqlite:///{(folder / 'statements.db').as_posix()}")
    took = {}
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        meta.create(connection)
        ways: dict[str, Callable[[str], object]] = {
            "driver": lambda key: driver.execute("INSERT INTO meta (key, value) VALUES (?, ?)", (key, VALUE)),
            "prepared": lambda key: ADD.run(connection, key=key, value=VALUE),
            "sqlalchemy": lambda key: connection.execute(statement, {"key": key, "value": VALUE}),
        }
        for name, say in ways.items():
            say(f"{name}/first")  # compiled
            started = time.perf_counter()
            for n in range(rows):
                say(f"{name}/{n}")
            took[name] = (time.perf_counter() - started) / rows * 1e6
        connection.rollback()
    engine.dispose()
    return took


def measure(base: Path | None, writers: int, rows: int, runs: int) -> dict[str, Any]:
    """The figures, medians of `runs`."""
    ours, raw, single = [], [], []
    our_time, raw_time, sizes, statements = [], [], [], []
    for _ in range(runs):
        with TemporaryDirectory(dir=base) as name:
            folder = Path(name)
            speed, worked, batches = uvloop.run(_ours(folder, writers, rows))
            ours.append(speed)
            our_time.append(worked)
            sizes += batches
            speed, worked = _raw(folder, batches, "raw")
            raw.append(speed)
            raw_time.append(worked)
            single.append(_raw(folder, [1] * max(100, rows // 20), "single")[0])
            statements.append(_statements(folder, rows))
    ratios = [mine / theirs for mine, theirs in zip(ours, raw, strict=True)]
    batch, our_us, raw_us = statistics.mean(sizes), statistics.median(our_time), statistics.median(raw_time)
    return {
        "writers": writers,
        "rows": rows,
        "runs": runs,
        "batch_mean": round(batch, 1),
        "ours_rows_per_s": round(statistics.median(ours)),
        "raw_rows_per_s": round(statistics.median(raw)),
        "one_by_one_rows_per_s": round(statistics.median(single)),
        "ratio_to_raw": round(statistics.median(ratios), 2),
        "ratio_spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "commit_ms": round(1000 / statistics.median(single), 3),
        "processor_us_a_row": {"ours": round(our_us, 1), "raw": round(raw_us, 1)},
        "statement_us": {way: round(statistics.median(run[way] for run in statements), 1) for way in statements[0]},
        "ratio_at_ms": {
            sync: round((batch * raw_us / 1000 + sync) / (batch * our_us / 1000 + sync), 2) for sync in SYNCS_MS
        },
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
