"""The same shards on a real Ray cluster of this machine, where the extra `scale` is installed."""

from __future__ import annotations

import numpy as np
import pytest

from risk.scale.shards import HERE, Place, ShardFailed, run

pytest.importorskip("ray", reason="the extra [scale] is not installed")
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")]

LOCAL = Place(address="local")


def norms(shared: dict[str, np.ndarray], shard: tuple[int, int]) -> list[float]:
    """Norms of some rows."""
    first, last = shard
    return [float(np.sqrt(row @ row)) for row in shared["rows"][first:last]]


def test_a_cluster_gives_what_one_process_gives() -> None:
    shared = {"rows": np.random.default_rng(1).normal(size=(40, 512))}
    cut = [(first, first + 5) for first in range(0, 40, 5)]
    seen: list[int] = []
    assert run(LOCAL, norms, shared, cut, lambda done, total: seen.append(done)) == run(HERE, norms, shared, cut)
    assert seen == list(range(9))
    with pytest.raises(ShardFailed, match=r"shard 1 of 1 \(\('a', 'b'\)\): TypeError"):
        run(LOCAL, norms, shared, [("a", "b")])
