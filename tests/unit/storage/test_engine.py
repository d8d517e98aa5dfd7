"""The writer: group commit, failures that stay alone, and failures of the database itself."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError

from assistant.errors import Conflict, Unavailable
from assistant.storage.connections import connect
from assistant.storage.engine import Batch, Storage, Work
from assistant.storage.tables import meta


def put(key: str, value: str = "x") -> Work[str]:
    def work(connection: Connection) -> str:
        connection.execute(insert(meta).values(key=key, value=value))
        return key

    return work


def keys(connection: Connection) -> list[str]:
    return [str(key) for key in connection.execute(select(meta.c.key).order_by(meta.c.key)).scalars()]


def fail(error: Exception) -> Work[None]:
    def work(connection: Connection) -> None:
        put("half")(connection)
        raise error

    return work


@contextmanager
def paused(storage: Storage) -> Iterator[None]:
    """Holds the writer inside a job, so that what is written meanwhile lands in one batch."""
    started, go_on = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        started.set()
        go_on.wait(10)

    holder = threading.Thread(target=storage.write_sync, args=(hold,))
    holder.start()
    started.wait(10)
    yield
    go_on.set()
    holder.join()


async def test_a_write_is_readable_when_it_is_answered(storage: Storage) -> None:
    assert await storage.write(put("a")) == "a"
    assert await storage.read(keys) == ["a"]


async def test_writes_that_wait_share_one_transaction(database_url: str) -> None:
    batches: list[Batch] = []
    storage = Storage(database_url, on_batch=batches.append)
    with paused(storage):
        writes = [asyncio.ensure_future(storage.write(put(f"k{n:03}"))) for n in range(100)]
        await asyncio.sleep(0)
        assert storage.waiting == 100
    await asyncio.gather(*writes)
    storage.close()
    assert [batch.jobs for batch in batches] == [1, 100]
    assert batches[1].failed == 0
    assert batches[1].error is None
    assert batches[1].waited_s > 0


async def test_a_batch_is_bounded(database_url: str) -> None:
    batches: list[Batch] = []
    storage = Storage(database_url, max_batch=10, on_batch=batches.append)
    with paused(storage):
        writes = [asyncio.ensure_future(storage.write(put(f"k{n}"))) for n in range(25)]
        await asyncio.sleep(0)
    await asyncio.gather(*writes)
    storage.close()
    assert [batch.jobs for batch in batches] == [1, 10, 10, 5]


async def test_a_bad_job_fails_alone_and_leaves_nothing(storage: Storage) -> None:
    with paused(storage):
        writes = [
            asyncio.ensure_future(storage.write(work))
            for work in (put("a"), fail(Conflict("no")), put("a"), put("b"), fail(ValueError("bug")))
        ]
        await asyncio.sleep(0)
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert results[0] == "a"
    assert isinstance(results[1], Conflict)
    assert isinstance(results[2], IntegrityError)  # the same key twice
    assert results[3] == "b"
    assert isinstance(results[4], ValueError)
    assert await storage.read(keys) == ["a", "b"]


async def test_work_is_run_again_only_where_something_failed_and_nothing_was_expected_to(storage: Storage) -> None:
    runs: list[str] = []

    def noted(name: str, work: Work[Any]) -> Work[Any]:
        def run(connection: Connection) -> Any:
            runs.append(name)
            return work(connection)

        return run

    await storage.write(noted("good", put("a")))
    assert runs == ["good"]
    with paused(storage):
        together = [
            asyncio.ensure_future(storage.write(work))
            for work in (noted("beside", put("b")), noted("bad", fail(Conflict("no"))))
        ]
        await asyncio.sleep(0)
    await asyncio.gather(*together, return_exceptions=True)
    assert runs == ["good", "beside", "bad", "beside", "bad"]
    runs.clear()
    for _ in range(20):  # somebody goes on and on
        with pytest.raises(Conflict):
            await storage.write(noted("bad", fail(Conflict("no"))))
    assert runs == ["bad"] * 20
    assert await storage.read(keys) == ["a", "b"]


async def test_a_wrong_statement_is_the_callers_fault_not_the_databases(storage: Storage) -> None:
    with pytest.raises(DBAPIError):
        await storage.write(lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere"))
    with pytest.raises(DBAPIError):
        await storage.read(lambda connection: connection.exec_driver_sql("SELECT * FROM nowhere"))
    assert storage.fault is None


async def test_order_of_submission_is_order_of_commit(storage: Storage) -> None:
    order: list[int] = []

    def note(n: int) -> Work[None]:
        return lambda _connection: order.append(n)

    await asyncio.gather(*(storage.write(note(n)) for n in range(500)))
    assert order == list(range(500))


async def test_a_cancelled_write_that_has_not_begun_is_not_stored(storage: Storage) -> None:
    with paused(storage):
        write = asyncio.ensure_future(storage.write(put("gone")))
        await asyncio.sleep(0)
        write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    await storage.write(put("after"))
    assert await storage.read(keys) == ["after"]


async def test_too_many_waiting_writes_are_refused(database_url: str) -> None:
    storage = Storage(database_url, max_waiting=2)
    with paused(storage):
        first = [asyncio.ensure_future(storage.write(put(f"k{n}"))) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as caught:
            await storage.write(put("one too many"))
        assert caught.value.reason == "overload"
        assert caught.value.after_ms
    await asyncio.gather(*first)
    storage.close()


async def test_closing_finishes_what_waits_and_refuses_more(database_url: str) -> None:
    storage = Storage(database_url)
    with paused(storage):
        write = asyncio.ensure_future(storage.write(put("a")))
        await asyncio.sleep(0)
    await asyncio.to_thread(storage.close)
    assert await write == "a"
    with pytest.raises(Unavailable):
        await storage.write(put("b"))
    storage.close()  # twice is fine


async def test_readers_cannot_write(storage: Storage) -> None:
    with pytest.raises((Unavailable, DBAPIError)):
        await storage.read(put("a"))
    assert await storage.read(keys) == []


async def test_a_locked_database_refuses_within_five_seconds_and_recovers(migrated: str, file: Path) -> None:
    storage = Storage(migrated, busy_s=1.0)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticker = asyncio.ensure_future(tick())

    async def late(after_s: float) -> float:
        await asyncio.sleep(after_s)
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            await storage.write(put("a"))
        assert caught.value.reason == "storage"
        return time.monotonic() - began

    waits = await asyncio.gather(*(late(n / 10) for n in range(8)))
    assert max(waits) < 6  # a second, and what a busy machine adds; eight one after the other would take eight
    assert min(waits) >= 0.5  # a short lock is waited out
    assert storage.fault is not None
    assert ticks > 10  # the loop went on
    ticker.cancel()
    assert await storage.read(keys) == []  # reads go on
    other.execute("ROLLBACK")
    other.close()
    assert await storage.write(put("b")) == "b"
    assert storage.fault is None
    storage.close()


async def test_a_short_lock_is_waited_out(migrated: str, file: Path) -> None:
    storage = Storage(migrated, busy_s=5.0)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    write = asyncio.ensure_future(storage.write(put("a")))
    await asyncio.sleep(0.6)
    other.execute("ROLLBACK")
    other.close()
    assert await write == "a"
    storage.close()


async def test_a_full_disk_fails_the_whole_batch_and_the_writer_recovers(migrated: str) -> None:
    batches: list[Batch] = []
    storage = Storage(migrated, on_batch=batches.append)
    full = True

    @event.listens_for(storage._engine, "connect")
    def _limit(raw: Any, _record: Any) -> None:
        if full:
            raw.execute("PRAGMA max_page_count = 1")  # SQLite then refuses to grow beyond what there is

    writes = [asyncio.ensure_future(storage.write(put(f"k{n}", "x" * 3000))) for n in range(20)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    refused = [result for result in results if isinstance(result, Unavailable)]
    stored = [result for result in results if isinstance(result, str)]
    assert refused
    assert len(refused) + len(stored) == 20
    assert {error.reason for error in refused} == {"storage"}
    assert storage.fault == "OperationalError"
    assert batches[-1].error == "OperationalError"
    assert sorted(stored) == await storage.read(keys)  # no false answer in either direction
    full = False
    await storage.write(put("later", "x" * 3000))  # a connection made after a failure is a new one
    assert storage.fault is None
    assert await storage.read(keys) == sorted([*stored, "later"])
    storage.close()


async def test_a_broken_meter_does_not_stop_the_writer(database_url: str) -> None:
    def broken(_batch: Batch) -> None:
        raise RuntimeError("meter")

    storage = Storage(database_url, on_batch=broken)
    await storage.write(put("a"))
    await storage.write(put("b"))
    storage.close()


def test_threads_write_without_an_event_loop(storage: Storage) -> None:
    threads = [threading.Thread(target=storage.write_sync, args=(put(f"k{n}"),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(storage.read_sync(keys)) == 20
    with pytest.raises(ValueError, match="bug"):
        storage.write_sync(fail(ValueError("bug")))


def test_connections_are_durable_and_check_foreign_keys(migrated: str) -> None:
    engine = connect(migrated)
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    engine.dispose()
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
