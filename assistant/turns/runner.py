"""Runs turn jobs: several conversations at once, one turn at a time in each, in order; survives crashes, stops cleanly."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import structlog

from assistant.bus.hints import Subscription
from assistant.errors import StaywellError
from assistant.ids import new_id
from assistant.turns import jobs
from assistant.turns.context import MessageGone
from assistant.turns.jobs import Job
from assistant.turns.settle import LeaseLost
from assistant.turns.turn import Parts, fall_back, handle_turn

log = structlog.get_logger()

REREAD_S = 2.0  # hints may be lost
GRACE_S = 5.0  # for running turns, when the worker stops


class Runner:
    """Takes jobs while `run` runs. One a process."""

    def __init__(self, parts: Parts, *, concurrent: int = 16, lease_ms: int = 10_000) -> None:
        self._parts = parts
        self._concurrent = concurrent
        self._lease_ms = lease_ms
        self._owner = new_id()
        self._running: dict[asyncio.Task[None], Job] = {}
        self._stopping = asyncio.Event()
        self._room = asyncio.Event()  # a turn has ended: its conversation may have another one

    async def run(self) -> None:
        """Works until `stop`. A database that cannot answer is asked again."""
        renewing = asyncio.create_task(self._renew(), name="turn-leases")
        try:
            with self._parts.bus.subscribe("turns") as hints:
                while not self._stopping.is_set():
                    self._room.clear()
                    if await self._take() == 0:
                        await self._wait(hints)
            await self._finish()
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing

    def stop(self) -> None:
        """Takes no more jobs; `run` returns when the running turns are done, or given back."""
        self._stopping.set()

    @property
    def running(self) -> int:
        """Turns being worked on."""
        return len(self._running)

    async def _take(self) -> int:
        """Leases what there is room for and starts it; how many."""
        room = self._concurrent - len(self._running)
        now = self._parts.now()
        if room <= 0:
            return 0
        try:
            if not await self._parts.storage.read(lambda connection: jobs.waiting(connection, now)):
                return 0
            leased = await self._parts.storage.write(
                lambda connection: jobs.lease(
                    connection, owner=self._owner, now=now, lease_ms=self._lease_ms, limit=room
                )
            )
        except StaywellError as error:
            log.warning("turns_not_read", error=error.reason)
            return 0
        for job in leased:
            task = asyncio.create_task(self._work(job), name=f"turn-{job.conversation_id}-{job.seq}")
            self._running[task] = job
            task.add_done_callback(self._done)
        self._parts.metrics.running.set(len(self._running))
        return len(leased)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._parts.metrics.running.set(len(self._running))
        if not task.cancelled() and task.exception() is not None:
            log.error("turn_crashed", error=type(task.exception()).__name__)
        self._room.set()

    async def _wait(self, hints: Subscription) -> None:
        """Until there may be something to do, or to stop for."""
        waiting: set[asyncio.Task[Any]] = {
            asyncio.create_task(hints.wait(REREAD_S)),
            asyncio.create_task(self._stopping.wait()),
            asyncio.create_task(self._room.wait()),
        }
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _work(self, job: Job) -> None:
        parts = self._parts
        try:
            if job.attempts > parts.attempts:
                await fall_back(job, parts)
            else:
                await handle_turn(job, parts)
        except LeaseLost:
            log.info("turn_lease_lost", conversation=job.conversation_id, seq=job.seq)
        except MessageGone:
            log.info("turn_message_gone", conversation=job.conversation_id, seq=job.seq)
            await self._close(job)
        except Exception as error:
            name = error.reason if isinstance(error, StaywellError) else type(error).__name__
            parts.metrics.failures.labels(name).inc()
            log.warning(
                "turn_failed",
                conversation=job.conversation_id,
                seq=job.seq,
                attempt=job.attempts,
                error=name,
                exc_info=not isinstance(error, StaywellError),
            )
            await self._give_back(job, name)

    async def _give_back(self, job: Job, error: str) -> None:
        now = self._parts.now()
        try:
            await self._parts.storage.write(lambda connection: jobs.retry(connection, job, now=now, error=error))
        except StaywellError as unwritten:  # the lease will run out by itself
            log.warning("turn_not_given_back", error=unwritten.reason)

    async def _close(self, job: Job) -> None:
        now = self._parts.now()
        with contextlib.suppress(StaywellError):  # it will be looked at again
            await self._parts.storage.write(lambda connection: jobs.finish(connection, job, now=now))

    async def _renew(self) -> None:
        """Keeps the leases of running turns, so that a long pause does not lose them."""
        while True:
            await asyncio.sleep(self._lease_ms / 3000)
            held = list(self._running.values())
            if not held:
                continue
            now = self._parts.now()
            try:
                await self._parts.storage.write(
                    lambda connection, held=held, now=now: jobs.renew(  # type: ignore[misc]
                        connection, held, now=now, lease_ms=self._lease_ms
                    )
                )
            except StaywellError as error:
                log.warning("turn_leases_not_renewed", error=error.reason)

    async def _finish(self) -> None:
        """Lets running turns end, then gives back those that did not."""
        if self._running:
            await asyncio.wait(list(self._running), timeout=GRACE_S)
        left = dict(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        now = self._parts.now()
        with contextlib.suppress(StaywellError):  # the leases run out by themselves
            for job in left.values():
                await self._parts.storage.write(lambda connection, job=job: jobs.release(connection, job, now=now))  # type: ignore[misc]
