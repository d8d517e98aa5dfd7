"""The registry of connections: counted, limited, drained."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from assistant.bus.hints import LocalBus
from assistant.chat.live import MOST_UNGREETED, Live
from assistant.chat.service import ChatDeps
from assistant.identity.widget import Access
from assistant.settings import Settings


class Socket:
    def __init__(self, address: str | None = None) -> None:
        self.address = address
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
        settings=Settings(
            data_dir=tmp_path,
            sockets_per_contact=2,
            sockets_per_address=3,
            sockets_per_site=4,
            messages_per_10s=5,
            messages_per_minute_address=7,
            messages_per_minute_site=9,
        ),
        sites=Mock(),
        secret=b"s" * 32,
    )
    return Live(deps)


def sockets(live: Live, number: int, address: str | None = None) -> list[Any]:
    made = [Socket(address) for _ in range(number)]
    for one in made:
        assert live.add(one)
    return made


def of(contact: str, site: str = "shop") -> Access:
    return Access(site, contact, verified=False, expires_at=0)


def test_a_contact_has_so_many_connections_and_no_more(live: Live) -> None:
    first, second, third = sockets(live, 3)
    assert live.admit(first, of("a"))
    assert live.admit(second, of("a"))
    assert not live.admit(third, of("a"))
    assert live.admit(third, of("b"))
    live.discard(first)
    assert live.admit(third, of("a"))  # it changes its contact, and leaves the other
    assert live.admit(third, of("a"))  # and may say so twice
    live.discard(second)
    live.discard(third)
    assert len(live) == 0
    assert not live._count


def test_an_address_has_so_many_connections_and_a_machine_behind_a_proxy_any(live: Live) -> None:
    first, _, _ = sockets(live, 3, "203.0.113.7")
    refused = Socket("203.0.113.7")
    assert not live.add(refused)
    live.discard(refused)  # as its connection does in any case
    assert not live.add(refused)
    sockets(live, 1, "203.0.113.8")
    sockets(live, 10)
    live.discard(first)
    assert live.add(refused)


def test_a_site_has_so_many_connections(live: Live) -> None:
    *four, fifth = sockets(live, 5)
    assert all(live.admit(one, of(f"c{n}")) for n, one in enumerate(four))
    assert not live.admit(fifth, of("c5"))
    assert live.admit(four[0], of("c6"))  # another contact on a connection that is there already
    assert live.admit(fifth, of("c7", site="other"))
    live.discard(four[1])
    assert live.admit(sockets(live, 1)[0], of("c5"))


def test_messages_count_for_contact_address_and_site(live: Live) -> None:
    def sent(address: str | None, contact: str, tries: int) -> int:
        (one,) = sockets(live, 1, address)
        allowance = live.allowance(one, of(contact), 0)
        return sum(allowance.take(0) == 0 for _ in range(tries))

    assert sent("203.0.113.7", "a", 20) == 5  # what a contact may
    assert sent("203.0.113.7", "b", 20) == 2  # what is left of the address
    assert sent("203.0.113.7", "a", 20) == 0
    assert sent("203.0.113.8", "c", 20) == 2  # what is left of the site
    assert sent(None, "d", 20) == 0
    (one,) = sockets(live, 1, "203.0.113.8")
    assert live.allowance(one, of("e", site="other"), 0).take(0) == 0


def test_sockets_that_say_nothing_crowd_a_worker_and_others_do_not(live: Live) -> None:
    silent = sockets(live, MOST_UNGREETED - 1)
    (spoken,) = sockets(live, 1)
    assert live.crowded
    live.admit(spoken, of("a"))
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
