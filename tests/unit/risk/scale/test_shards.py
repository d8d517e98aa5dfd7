"""Where shards are worked on never shows in the result; what fails is named."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from risk.errors import DataRefused, ExtraMissing
from risk.scale import shards
from risk.scale.shards import HERE, Place, ShardFailed, run

SHARDS = [(n, n + 3) for n in range(0, 12, 3)]


def sums(shared: np.ndarray, shard: tuple[int, int]) -> tuple[list[float], int]:
    """Rows' sums of squares and a draw whose seed is the shard's own; and which process it was."""
    first, last = shard
    part = shared[first:last]
    noise = np.random.default_rng(first).normal(size=part.shape[1])
    return [float(row @ row + noise @ row) for row in part], os.getpid()


def picky(shared: str, shard: int) -> int:
    if shard == 2:
        raise DataRefused(shared, line=7)
    if shard == 5:
        raise ZeroDivisionError("no such number")
    return shard


def deadly(shared: None, shard: int) -> int:
    if shard == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return shard


MATRIX = np.random.default_rng(4).normal(size=(12, 300))


def test_here_and_in_pools_of_any_size_the_result_is_the_same_to_the_bit() -> None:
    alone = run(HERE, sums, MATRIX, SHARDS)
    one, two = (run(Place(workers=n), sums, MATRIX, SHARDS) for n in (2, 3))
    assert [r[0] for r in alone] == [r[0] for r in one] == [r[0] for r in two]
    assert {r[1] for r in alone} == {os.getpid()}
    assert os.getpid() not in {r[1] for r in one + two}


def test_progress_starts_at_nothing_and_ends_with_all() -> None:
    seen: list[tuple[int, int]] = []
    run(Place(workers=2), sums, MATRIX, SHARDS, lambda done, total: seen.append((done, total)))
    assert seen == [(n, len(SHARDS)) for n in range(len(SHARDS) + 1)]
    assert run(Place(workers=2), sums, MATRIX, []) == []


@pytest.mark.parametrize("place", [HERE, Place(workers=2)], ids=["here", "pool"])
def test_a_failure_names_its_shard(place: Place) -> None:
    with pytest.raises(ShardFailed, match=r"^shard 3 of 4 \(number 2\): line 7: bad row$"):
        run(place, picky, "bad row", [0, 1, 2, 3], name=lambda shard: f"number {shard}")
    with pytest.raises(ShardFailed, match=r"shard 2 of 2 \(5\): ZeroDivisionError: no such number"):
        run(place, picky, "", [4, 5])


def test_a_worker_that_is_killed_ends_the_work_with_words() -> None:
    with pytest.raises(ShardFailed, match="a worker process died"):
        run(Place(workers=2), deadly, None, [0, 1, 2])


def test_many_shards_are_not_all_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "AT_ONCE", 1)
    assert run(Place(workers=2), picky, "", [0, 1, 3, 4, 6, 7, 8]) == [0, 1, 3, 4, 6, 7, 8]


def test_without_the_extra_an_address_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ExtraMissing, match=r"staywell\[scale\]"):
        run(Place(address="ray://nowhere:10001"), picky, "", [0, 1])
