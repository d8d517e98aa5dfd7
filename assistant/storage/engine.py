"""The database behind one writer thread with group commit, and a small pool of readers.

Work is a plain function `(Connection) -> T`. Writes that wait together share one transaction and one fsync; each runs inside a
SAVEPOINT, so that a bad one fails alone. A caller is answered after the commit, never before.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from assistant.errors import Unavailable

T = TypeVar("T")
Work = Callable[[Connection], T]


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL; None for memory and for other databases."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database)


def connect(url: str, *, read_only: bool = False) -> Engine:
    """An engine with our settings. SQLite: WAL, synchronous FULL, foreign keys, 5 s busy time-out, BEGIN IMMEDIATE to write."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        parsed, poolclass=NullPool if not read_only else None, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _pragmas(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves
        cursor = raw.cursor()
        cursor.execute("PRAGMA busy_timeout = 5000")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        else:
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    done: Future[Any]


class Storage:
    """Reads and writes. Safe from any thread and any event loop."""

    def __init__(self, url: str, *, readers: int = 4, max_batch: int = 256, max_waiting: int = 20_000) -> None:
        self.url = url
        self.dialect = make_url(url).get_backend_name()
        self._engine = connect(url)
        self._reader_engine = connect(url, read_only=True)
        self._max_batch = max_batch
        self._jobs: queue.Queue[_Job | None] = queue.Queue(max_waiting)
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="storage-reader")
        self._writer = threading.Thread(target=self._run, name="storage-writer", daemon=True)
        self._closed = False
        self._writer.start()

    # --- callers ---

    async def write(self, work: Work[T]) -> T:
        """Runs `work` in the writer's next transaction; returns after its commit. Raises what `work` raises, or `Unavailable`."""
        return await asyncio.wrap_future(self._submit(work))

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on a reader; it sees everything committed before the call."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self.read_sync, work)

    def write_sync(self, work: Work[T]) -> T:
        """`write` for commands and tests that have no event loop."""
        return self._submit(work).result()

    def read_sync(self, work: Work[T]) -> T:
        """`read` for commands and tests that have no event loop."""
        try:
            with self._reader_engine.begin() as connection:
                return work(connection)
        except OperationalError as error:
            raise Unavailable("the database cannot be read", code="storage") from error

    def close(self) -> None:
        """Finishes what is waiting, then lets go of the database."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._engine.dispose()
        self._reader_engine.dispose()

    # --- the writer thread ---

    def _submit(self, work: Work[T]) -> Future[T]:
        if self._closed:
            raise Unavailable("storage is closed", code="storage")
        job = _Job(work, Future())
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise Unavailable("too many writes are waiting", code="overload", after_ms=1000) from None
        return job.done

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            batch = [job]
            last = False
            while len(batch) < self._max_batch:
                try:
                    more = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                    break
                batch.append(more)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: list[_Job]) -> None:
        results: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            with self._engine.connect() as connection, connection.begin():
                for job in batch:
                    if not job.done.set_running_or_notify_cancel():
                        continue
                    try:
                        with connection.begin_nested():
                            results.append((job, job.work(connection), None))
                    except OperationalError:
                        raise  # the database itself: the whole batch is in doubt
                    except Exception as error:
                        results.append((job, None, error))
        except (DBAPIError, OSError) as error:
            failure = Unavailable("the database cannot be written", code="storage")
            failure.__cause__ = error
            for job in batch:
                if not job.done.done():
                    if not job.done.running():
                        job.done.set_running_or_notify_cancel()
                    if not job.done.done():
                        job.done.set_exception(failure)
            return
        for job, value, fault in results:
            if fault is not None:
                job.done.set_exception(fault)
            else:
                job.done.set_result(value)
