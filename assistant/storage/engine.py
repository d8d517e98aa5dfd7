"""The database behind one writer thread with group commit, and a small pool of readers.

Work is a plain function `(Connection) -> T`. Writes that wait together share one transaction and one fsync; each runs inside a
SAVEPOINT, so that a bad one fails alone. A caller is answered after the commit, never before. When the database itself fails
(locked, full, broken disk) the whole batch fails with `Unavailable`, nothing of it is stored, and the writer starts afresh.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, Engine, RootTransaction, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool, QueuePool

from assistant.errors import Unavailable

log = structlog.get_logger()

T = TypeVar("T")
Work = Callable[[Connection], T]

BUSY_S: Final = 5.0  # a write gives up when the database has been locked for so long
_BUSY_STEP_S: Final = 0.25  # how often the writer looks which of its callers have waited that long
_RETRY_S: Final = 0.05  # rest after a failed batch, so that a broken disk does not spin the thread

# Results of SQLite that condemn the transaction rather than one statement in it.
_FATAL: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL; None for memory and for other databases."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database)


def connect(url: str, *, read_only: bool = False, busy_s: float = BUSY_S, readers: int = 4) -> Engine:
    """An engine with our settings. SQLite: WAL, synchronous FULL, foreign keys, a busy time-out, BEGIN IMMEDIATE to write.

    A connection raises Unavailable when the file system does not grant WAL and FULL: an acknowledged write would not be durable.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        mode = "on" if read_only else "off"
        return create_engine(
            parsed,
            pool_pre_ping=read_only,
            pool_size=readers if read_only else 1,
            max_overflow=0,
            connect_args={"connect_timeout": round(busy_s) or 1, "options": f"-c default_transaction_read_only={mode}"},
        )
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    pool: dict[str, Any] = {"poolclass": NullPool}
    if read_only:
        pool = {"poolclass": QueuePool, "pool_size": readers, "max_overflow": 0}
    engine = create_engine(parsed, connect_args={"check_same_thread": False}, **pool)

    @event.listens_for(engine, "connect")
    def _settings(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(busy_s * 1000)}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        else:
            journal = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            cursor.execute("PRAGMA synchronous = FULL")
            durable = cursor.execute("PRAGMA synchronous").fetchone()[0]
            if file is not None and (journal, durable) != ("wal", 2):
                raise Unavailable(f"{file}: the file system does not support WAL with full fsync", code="storage")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def is_fatal(error: DBAPIError) -> bool:
    """Whether `error` speaks of the database rather than of one statement: the transaction cannot go on."""
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _FATAL
    # PostgreSQL, by SQLSTATE class: connection, rolled back, resources, limits, operator, system; none at all: no connection
    state = getattr(error.orig, "sqlstate", "")
    if state is None:
        return isinstance(error, OperationalError)
    return state[:2] in {"08", "40", "53", "54", "57", "58"}


def _is_busy(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction of the writer did, for metrics."""

    jobs: int
    failed: int  # jobs that raised alone; all of them when `error` is set
    waited_s: float  # of the oldest job, from its submission to the start of the transaction
    took_s: float  # from BEGIN to the end of COMMIT
    error: str | None = None  # the database failed: nothing was stored


class Seal(Protocol):
    """Counts transactions in the database and beside it; see `assistant.storage.seal`."""

    def count(self, connection: Connection) -> int:
        """The number of this transaction, inside it."""
        ...

    def note(self, number: int) -> None:
        """Called after its commit. Must not raise."""
        ...

    def close(self) -> None:
        """Called once, at the end."""
        ...


class _Job:
    """One piece of work and whoever waits for it: an event loop's future, or a thread's."""

    __slots__ = ("error", "future", "loop", "since", "value", "work")

    def __init__(self, work: Work[Any], loop: asyncio.AbstractEventLoop | None) -> None:
        self.work = work
        self.loop = loop
        self.future: Any = Future() if loop is None else loop.create_future()
        self.since = time.monotonic()
        self.value: Any = None
        self.error: Exception | None = None

    def answer(self) -> None:
        """On the waiter's own side."""
        if self.future.done():  # its caller has given up
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.value)


def _refuse(jobs: list[_Job], cause: Exception) -> None:
    for job in jobs:
        job.error = Unavailable("the database cannot be written", code="storage", after_ms=1000)
        job.error.__cause__ = cause


def _answer_all(jobs: list[_Job]) -> None:
    for job in jobs:
        job.answer()


class Storage:
    """Reads and writes. Safe from any thread and any event loop."""

    def __init__(
        self,
        url: str,
        *,
        readers: int = 4,
        max_batch: int = 256,
        max_waiting: int = 20_000,
        busy_s: float = BUSY_S,
        on_batch: Callable[[Batch], None] | None = None,
        seal: Seal | None = None,
    ) -> None:
        self.url = url
        self.dialect = make_url(url).get_backend_name()
        self.fault: str | None = None  # why the last batch failed; None when it was stored
        self._on_batch = on_batch
        self._seal = seal
        self._busy_s = busy_s
        self._engine = connect(url, busy_s=min(_BUSY_STEP_S, busy_s))
        self._reader_engine = connect(url, read_only=True, busy_s=busy_s, readers=readers)
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._jobs: deque[_Job] = deque()
        self._work_waits = threading.Condition()
        self._closed = False
        self._connection: Connection | None = None  # the writer's own; kept from batch to batch
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="storage-reader")
        self._writer = threading.Thread(target=self._run, name="storage-writer", daemon=True)
        self._writer.start()

    # --- callers ---

    async def write(self, work: Work[T]) -> T:
        """Runs `work` in the writer's next transaction; returns after its commit.

        Raises what `work` raises (nothing of it is stored), or Unavailable: `storage` when the database cannot be written,
        `overload` when too many writes wait. Nothing of it is stored then, and it may be tried again.
        """
        result: T = await self._submit(work, asyncio.get_running_loop()).future
        return result

    async def read(self, work: Work[T]) -> T:
        """Runs `work` on a reader; it sees everything committed before the call. Raises what `work` raises, or Unavailable."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self.read_sync, work)

    def write_sync(self, work: Work[T]) -> T:
        """`write` for commands and tests that have no event loop."""
        result: T = self._submit(work, None).future.result()
        return result

    def read_sync(self, work: Work[T]) -> T:
        """`read` for commands and tests that have no event loop."""
        try:
            with self._reader_engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            if not is_fatal(error):
                raise
            raise Unavailable("the database cannot be read", code="storage") from error

    @property
    def waiting(self) -> int:
        """Writes that wait for the next transaction."""
        return len(self._jobs)

    def close(self) -> None:
        """Finishes what is waiting, then lets go of the database."""
        with self._work_waits:
            if self._closed:
                return
            self._closed = True
            self._work_waits.notify()
        self._writer.join()
        self._readers.shutdown()
        self._engine.dispose()
        self._reader_engine.dispose()
        if self._seal is not None:
            self._seal.close()

    # --- the writer thread ---

    def _submit(self, work: Work[Any], loop: asyncio.AbstractEventLoop | None) -> _Job:
        job = _Job(work, loop)
        with self._work_waits:
            if self._closed:
                raise Unavailable("storage is closed", code="storage")
            if len(self._jobs) >= self._max_waiting:
                raise Unavailable("too many writes are waiting", code="overload", after_ms=1000)
            self._jobs.append(job)
            self._work_waits.notify()
        return job

    def _run(self) -> None:
        while batch := self._take():
            started, jobs = time.monotonic(), len(batch)
            waited = started - min(job.since for job in batch)
            error: Exception | None = None
            try:
                failed = self._store(batch)
            except Exception as caught:
                error, failed = caught, jobs
                self._let_go()
                _refuse(batch, caught)
            self.fault = None if error is None else type(error).__name__
            self._report(Batch(jobs, failed, waited, time.monotonic() - started, self.fault))
            self._deliver(batch)
            if error is not None:
                time.sleep(_RETRY_S)
        self._let_go()

    def _take(self) -> list[_Job]:
        """The next jobs, at most a batch; empty when all is done and storage is closed."""
        with self._work_waits:
            while not self._jobs and not self._closed:
                self._work_waits.wait()
            return [self._jobs.popleft() for _ in range(min(len(self._jobs), self._max_batch))]

    def _store(self, batch: list[_Job]) -> int:
        """One transaction; fills in each job's value or error and returns how many failed alone. Raises when the database fails."""
        transaction = self._begin(batch)
        connection = transaction.connection
        # Said to the driver: SQLAlchemy's `begin_nested` costs as much as a job itself.
        driver: Any = connection.connection.driver_connection
        say = driver.execute
        failed = 0
        for job in batch:
            if job.future.cancelled():
                continue
            say("SAVEPOINT job")
            try:
                job.value = job.work(connection)
            except Exception as error:
                if isinstance(error, DBAPIError) and is_fatal(error):
                    raise
                say("ROLLBACK TO SAVEPOINT job")
                job.error = error
                failed += 1
            say("RELEASE SAVEPOINT job")
        number = self._seal.count(connection) if self._seal is not None else 0
        transaction.commit()
        if self._seal is not None:
            self._seal.note(number)
        return failed

    def _begin(self, batch: list[_Job]) -> RootTransaction:
        """Starts the transaction. While another process holds the lock, callers who have waited long enough are refused in time."""
        while True:
            try:
                if self._connection is None:
                    self._connection = self._engine.connect()
                return self._connection.begin()
            except DBAPIError as error:
                self._let_go()
                if not _is_busy(error):
                    raise
                self._refuse_old(batch, error)
                if not batch:
                    raise

    def _refuse_old(self, batch: list[_Job], cause: Exception) -> None:
        """Takes jobs that cannot wait for another try out of `batch` and the queue, and answers them."""
        limit = time.monotonic() - (self._busy_s - _BUSY_STEP_S)
        old = [job for job in batch if job.since <= limit]
        batch[:] = [job for job in batch if job.since > limit]
        with self._work_waits:
            while self._jobs and self._jobs[0].since <= limit:
                old.append(self._jobs.popleft())
        _refuse(old, cause)
        self._deliver(old)

    def _report(self, batch: Batch) -> None:
        if self._on_batch is None:
            return
        try:
            self._on_batch(batch)
        except Exception:  # a broken meter must not stop the writer
            log.exception("storage_meter_failed")

    def _let_go(self) -> None:
        """Drops the writer's connection, rolling back; the next batch opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # it may be broken in any way; it is not used again
                connection.invalidate()
            with contextlib.suppress(Exception):
                connection.close()

    @staticmethod
    def _deliver(batch: list[_Job]) -> None:
        """Answers the batch, waking each event loop once."""
        by_loop: defaultdict[asyncio.AbstractEventLoop, list[_Job]] = defaultdict(list)
        for job in batch:
            if job.loop is None:
                job.answer()
            else:
                by_loop[job.loop].append(job)
        for loop, jobs in by_loop.items():
            with contextlib.suppress(RuntimeError):  # the loop has ended, and its callers with it
                loop.call_soon_threadsafe(_answer_all, jobs)
