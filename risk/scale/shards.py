"""One function over many shards: here, one after another; in a pool of processes; or on a Ray cluster.

Where the work is done must never show in its result. So shards are cut without knowing how many workers there are, a shard's seed
follows from the shard, results come back in the order of the shards, and linear algebra runs on one thread everywhere (more threads
add up in another order). What a worker needs besides its shard is sent once, not with each shard.

Nothing is ever unpickled from a file: a pool's pipes are private to parent and child, and a cluster's transport is Ray's own.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

from threadpoolctl import threadpool_limits

from risk.errors import RiskError

Shared = TypeVar("Shared")
Shard = TypeVar("Shard")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
Work: TypeAlias = Callable[[Shared, Shard], Result]

AT_ONCE: Final = 4  # shards a worker has waiting: enough to keep it busy, few enough to stop soon


@dataclass(frozen=True, slots=True)
class Place:
    """Where shards are worked on: on a Ray cluster where `address` names one ("local" starts one for the time of the work),
    else in so many processes of this machine, else here."""

    workers: int = 1
    address: str | None = None

    @property
    def here(self) -> bool:
        """Whether the work is done in this process."""
        return self.address is None and self.workers == 1


HERE: Final = Place()


class ShardFailed(RiskError):
    """A shard could not be worked on. The message names the shard and says why."""


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """What a worker sends back: a result, or why there is none."""

    result: Result | None
    failed: str | None = None


def attempt(work: Work[Shared, Shard, Result], shared: Shared, shard: Shard) -> Done[Result]:
    """The work on one shard, as every worker does it. What it raises becomes words: a worker's exception may not unpickle here."""
    try:
        with threadpool_limits(1):
            return Done(work(shared, shard))
    except Exception as error:
        kind = "" if isinstance(error, RiskError) else f"{type(error).__name__}: "
        return Done(None, f"{kind}{error}")


def run(
    place: Place,
    work: Work[Shared, Shard, Result],
    shared: Shared,
    shards: Sequence[Shard],
    progress: Progress | None = None,
    *,
    name: Callable[[Shard], str] = str,
) -> list[Result]:
    """`work(shared, shard)` for each shard, in the order of the shards, wherever `place` says.

    `work` is a function of a module (workers import it); `shared`, shards and results are plain data. The first shard that fails
    ends all: raises `ShardFailed`, with what `name` calls it; raises `ExtraMissing` for a cluster without the extra `scale`.
    """
    return list(stream(place, work, shared, shards, progress, name=name))


def stream(
    place: Place,
    work: Work[Shared, Shard, Result],
    shared: Shared,
    shards: Sequence[Shard],
    progress: Progress | None = None,
    *,
    name: Callable[[Shard], str] = str,
) -> Iterator[Result]:
    """`run` for results that need not all be in memory together: each is given as soon as those before it are."""
    early: dict[int, Result] = {}
    following = 0
    if progress is not None:
        progress(0, len(shards))
    for finished, (number, done) in enumerate(_all(place, work, shared, shards), start=1):
        if done.failed is not None:
            raise ShardFailed(f"shard {number + 1} of {len(shards)} ({name(shards[number])}): {done.failed}")
        early[number] = cast("Result", done.result)
        if progress is not None:
            progress(finished, len(shards))
        while following in early:
            yield early.pop(following)
            following += 1


def _all(
    place: Place, work: Work[Shared, Shard, Result], shared: Shared, shards: Sequence[Shard]
) -> Iterator[tuple[int, Done[Result]]]:
    """Number and result of each shard, as they are finished."""
    if place.address is not None:
        from risk.scale import cluster

        return cluster.each(place.address, work, shared, shards)
    if place.here or len(shards) < 2:
        return ((number, attempt(work, shared, shard)) for number, shard in enumerate(shards))
    return _pooled(min(place.workers, len(shards)), work, shared, shards)


# --- a pool of processes --------------------------------------------------------------------------------------------

_given: Any = None  # of a worker process: the work and what it shares, set once when the process starts


def _begin(work: Work[Shared, Shard, Result], shared: Shared) -> None:
    global _given
    _given = (work, shared)


def _one(shard: Any) -> Done[Any]:
    work, shared = _given
    return attempt(work, shared, shard)


def _pooled(
    workers: int, work: Work[Shared, Shard, Result], shared: Shared, shards: Sequence[Shard]
) -> Iterator[tuple[int, Done[Result]]]:
    # Spawned, not forked: a forked child inherits locks of threads (storage, BLAS, torch) that nobody there will ever release.
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(work, shared)
    )
    waiting: dict[Future[Done[Result]], int] = {}
    numbers = iter(range(len(shards)))
    try:
        while True:
            while len(waiting) < workers * AT_ONCE and (number := next(numbers, None)) is not None:
                waiting[pool.submit(_one, shards[number])] = number
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                number = waiting.pop(future)
                try:
                    yield number, future.result()
                except BrokenProcessPool:
                    yield number, Done(None, "a worker process died, perhaps for want of memory")
    finally:
        pool.shutdown(cancel_futures=True)
