"""Shards on a Ray cluster. Ray is imported only when an address is given."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final

from risk.errors import ExtraMissing
from risk.scale.shards import AT_ONCE, Done, Result, Shard, ShardFailed, Shared, Work, attempt

RETRIES: Final = 2  # of a shard whose machine is lost


def each(
    address: str, work: Work[Shared, Shard, Result], shared: Shared, shards: Sequence[Shard]
) -> Iterator[tuple[int, Done[Result]]]:
    """Number and result of each shard, as they are finished. A connection that was there already is used and left open.

    The machines of the cluster need this package, of the same version, and whatever `shared` names (a database, a folder).
    Raises `ExtraMissing` without Ray, `ShardFailed` when the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as missing:
        raise ExtraMissing("a Ray address is set, and Ray needs an extra: pip install 'staywell[scale]'") from missing
    opened = not ray.is_initialized()
    if opened:
        try:
            ray.init(address=address, include_dashboard=False if address == "local" else None, log_to_driver=False,
                     logging_level=logging.ERROR)  # fmt: skip
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            raise ShardFailed(f"the Ray cluster at {address} cannot be reached: {error}") from error
    try:
        yield from _each(ray, work, shared, shards)
    finally:
        if opened:
            ray.shutdown()


def _each(
    ray: Any, work: Work[Shared, Shard, Result], shared: Shared, shards: Sequence[Shard]
) -> Iterator[tuple[int, Done[Result]]]:
    remote = ray.remote(num_cpus=1, max_retries=RETRIES)(attempt)
    sent = ray.put(shared)
    at_once = AT_ONCE * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting: dict[Any, int] = {}
    numbers = iter(range(len(shards)))
    while True:
        while len(waiting) < at_once and (number := next(numbers, None)) is not None:
            waiting[remote.remote(work, sent, shards[number])] = number
        if not waiting:
            return
        for ready in ray.wait(list(waiting))[0]:
            number = waiting.pop(ready)
            try:
                yield number, ray.get(ready)
            except ray.exceptions.RayError as error:
                yield number, Done(None, f"lost on the cluster: {type(error).__name__}")
