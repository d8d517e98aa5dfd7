"""The registry of connections: counted, limited, drained."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from assistant.bus.hints import LocalBus
from assistant.chat.live import MOST_UNGREETED, Live
from assistant.chat.service import ChatDeps
from assistant.settings import Settings


class Socket:
    def __init__(self) -> None:
        self.drained = False
        self.code: int | None = None

    async def drain(self) -> None:
        self.drained = True

    async def close(self, code: int, reason: str) -> None:
        self.code = code


@pytest.fixture
def live(tmp_path: Path) -> Live:
    deps = ChatDeps(
        storage=Mock(),
        bus=LocalBus(),
        clock=lambda: 0,
        settings=Settings(data_dir=tmp_path, sockets_per_contact=2),
        sites=Mock(),
        secret=b"s" * 32,
    )
    return Live(deps)


def sockets(live: Live, number: int) -> list[Any]:
    made = [Socket() for _ in range(number)]
    for one in made:
        live.add(one)
    return made


def test_a_contact_has_so_many_connections_and_no_more(live: Live) -> None:
    first, second, third = sockets(live, 3)
    assert live.admit(first, "a")
    assert live.admit(second, "a")
    assert not live.admit(third, "a")
    assert live.admit(third, "b")
    live.discard(first)
    assert live.admit(third, "a")  # it changes its contact, and leaves the other
    assert live.admit(third, "a")  # and may say so twice
    live.discard(second)
    live.discard(third)
    assert len(live) == 0
    assert not live._count


def test_sockets_that_say_nothing_crowd_a_worker_and_others_do_not(live: Live) -> None:
    silent = sockets(live, MOST_UNGREETED - 1)
    (spoken,) = sockets(live, 1)
    assert live.crowded
    live.admit(spoken, "a")
    assert not live.crowded
    sockets(live, 1)
    assert live.crowded
    live.discard(silent[0])
    assert not live.crowded


async def test_draining_tells_everybody_and_closes_who_stays(live: Live) -> None:
    leaves, stays = sockets(live, 2)

    async def leave() -> None:
        live.discard(leaves)

    leaves.drain = leave
    await live.drain(0.05)
    assert live.draining
    assert stays.drained
    assert (leaves.code, stays.code) == (None, 1012)
