"""The database behind one writer thread with group commit, and a small pool of readers.

Work is a plain function `(Connection) -> T`. Writes that wait together share one transaction and one fsync. Where one of them
fails, they are run again, each in a SAVEPOINT, so that the bad one fails alone. A caller is answered after the commit, never
before. When the database itself fails (locked, full, broken disk) the whole batch fails with `Unavailable`, nothing is stored,
and the writer starts afresh.

Where several workers share a database, their batches may stand in each other's way, each holding rows that the other wants. Then
nothing is wrong: the batch is rolled back and its pieces are run again, each in a transaction of its own.

So work may be run more than once, though only one run of it is ever stored: it must not change anything outside the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, TypeVar

import structlog
from sqlalchemy import Connection, RootTransaction
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from assistant.errors import Unavailable
from assistant.storage.connections import BUSY_S, connect, is_busy, is_contended, is_fatal

log = structlog.get_logger()

T = TypeVar("T")
Work = Callable[[Connection], T]

_BUSY_STEP_S: Final = (
    0.25  # how long the writer waits for a lock before it looks which of its callers have waited long enough
)
_AGAIN_S: Final = 0.005  # rest before a piece that stood in another worker's way is run again
_WATCHFUL: Final = 64  # batches that guard each piece, once one has failed: then a run of bad ones costs little
_RETRY_S: Final = 0.05  # rest after a failed batch, so that a broken disk does not spin the thread


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


def _condemns(error: Exception) -> bool:
    """Whether `error` speaks of the transaction rather than of one job in it."""
    return isinstance(error, DBAPIError) and (is_fatal(error) or is_contended(error))


def _refuse(jobs: Sequence[_Job], cause: Exception) -> None:
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
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()  # None: no more will come
        self._next: deque[_Job] = deque()  # taken from the queue, and the writer's own
        self._closing = threading.Lock()
        self._closed = False
        self._watchful = 0  # batches to come that guard each of their jobs
        self._ending = False  # the writer has seen that no more will come
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
            try:
                return self._read(work)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return self._read(
                    work
                )  # the connection was lost while it rested; the pool has dropped all of that time
        except DBAPIError as error:
            if not is_fatal(error):
                raise
            raise Unavailable("the database cannot be read", code="storage") from error

    def _read(self, work: Work[T]) -> T:
        with self._reader_engine.begin() as connection:
            return work(connection)

    @property
    def waiting(self) -> int:
        """Writes that wait for the next transaction."""
        return self._queue.qsize() + len(self._next)

    def close(self) -> None:
        """Finishes what is waiting, then lets go of the database."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        self._readers.shutdown()
        self._engine.dispose()
        self._reader_engine.dispose()
        if self._seal is not None:
            self._seal.close()

    # --- the writer thread ---

    def _submit(self, work: Work[Any], loop: asyncio.AbstractEventLoop | None) -> _Job:
        if self.waiting >= self._max_waiting:
            raise Unavailable("too many writes are waiting", code="overload", after_ms=1000)
        job = _Job(work, loop)
        with self._closing:
            if self._closed:
                raise Unavailable("storage is closed", code="storage")
            self._queue.put(job)
        return job

    def _run(self) -> None:
        while batch := self._take():
            started, jobs = time.monotonic(), len(batch)
            waited = started - min(job.since for job in batch)
            error: Exception | None = None
            try:
                failed = self._store(batch)
            except Exception as caught:
                self._let_go()
                if is_contended(caught):
                    failed, error = self._store_singly(batch)
                else:
                    error, failed = caught, jobs
                    _refuse(batch, caught)
            self.fault = None if error is None else type(error).__name__
            self._report(Batch(jobs, failed, waited, time.monotonic() - started, self.fault))
            self._deliver(batch)
            if error is not None:
                time.sleep(_RETRY_S)
        self._let_go()

    def _take(self) -> list[_Job]:
        """The next jobs, at most a batch; empty when all is done and storage is closed."""
        self._gather(wait=True)
        return [self._next.popleft() for _ in range(min(len(self._next), self._max_batch))]

    def _gather(self, *, wait: bool) -> None:
        """Takes what is in the queue; with `wait` until there is something to do, or nothing will be any more."""
        while True:
            try:
                job = self._queue.get(block=wait and not self._next and not self._ending)
            except Empty:
                return
            if job is None:
                self._ending = True
            else:
                self._next.append(job)

    def _store(self, batch: list[_Job]) -> int:
        """One transaction; fills in each job's value or error and returns how many failed alone. Raises when the database fails."""
        if self._watchful == 0:
            if self._store_trustingly(batch):
                return 0
            self._watchful = _WATCHFUL
        self._watchful -= 1
        return self._store_watchfully(batch)

    def _store_trustingly(self, batch: list[_Job]) -> bool:
        """Runs the jobs as if none could fail, which saves two statements for each; whether it was so. Else nothing is stored."""
        transaction = self._begin(batch)
        connection = transaction.connection
        for job in batch:
            if job.future.cancelled():
                continue
            try:
                job.error, job.value = None, job.work(connection)
            except Exception as error:
                if _condemns(error):
                    raise
                transaction.rollback()
                return False
        self._commit(transaction)
        return True

    def _store_watchfully(self, batch: list[_Job]) -> int:
        """Runs each job inside a SAVEPOINT; how many failed."""
        transaction = self._begin(batch)
        connection = transaction.connection
        # Said to the driver: SQLAlchemy's `begin_nested` costs as much as a job itself.
        driver: Any = connection.connection.driver_connection
        say = driver.execute if self.dialect == "sqlite" else partial(driver.execute, prepare=False)
        failed = 0
        then = ""
        for job in batch:
            if job.future.cancelled():
                continue
            say(then + "SAVEPOINT job")
            try:
                job.error, job.value = None, job.work(connection)
            except Exception as error:
                if _condemns(error):
                    raise
                say("ROLLBACK TO SAVEPOINT job")
                job.error = error
                failed += 1
            if self.dialect == "sqlite":  # which takes one statement at a time
                say("RELEASE SAVEPOINT job")
            else:  # one way to the server and back less
                then = "RELEASE SAVEPOINT job; "
        self._commit(transaction)
        return failed

    def _commit(self, transaction: RootTransaction) -> None:
        number = self._seal.count(transaction.connection) if self._seal is not None else 0
        transaction.commit()
        if self._seal is not None:
            self._seal.note(number)

    def _store_singly(self, batch: list[_Job]) -> tuple[int, Exception | None]:
        """Each job in a transaction of its own, and again while another worker is in its way; answers each at once.

        How many failed, and why the database failed, if it did; the jobs after that are refused.
        """
        failed = 0
        for at, job in enumerate(batch):
            while True:
                try:
                    failed += self._store([job])
                except Exception as caught:
                    self._let_go()
                    if not is_contended(caught):
                        _refuse(batch[at:], caught)
                        return failed + len(batch) - at, caught
                    if time.monotonic() - job.since < self._busy_s:
                        time.sleep(_AGAIN_S)
                        continue
                    _refuse([job], caught)
                    failed += 1
                break
            self._deliver([job])
        return failed, None

    def _begin(self, batch: list[_Job]) -> RootTransaction:
        """Starts the transaction. While another process holds the lock, callers who have waited long enough are refused in time."""
        while True:
            try:
                if self._connection is None:
                    self._connection = self._engine.connect()
                return self._connection.begin()
            except DBAPIError as error:
                self._let_go()
                if not is_busy(error):
                    raise
                self._refuse_old(batch, error)
                if not batch:
                    raise

    def _refuse_old(self, batch: list[_Job], cause: Exception) -> None:
        """Takes jobs that cannot wait for another try out of `batch` and the queue, and answers them."""
        limit = time.monotonic() - (self._busy_s - _BUSY_STEP_S)
        old = [job for job in batch if job.since <= limit]
        batch[:] = [job for job in batch if job.since > limit]
        self._gather(wait=False)
        while self._next and self._next[0].since <= limit:
            old.append(self._next.popleft())
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
