"""Hints and signals between workers that share a PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from assistant.bus.choose import open_bus
from assistant.bus.hints import LocalBus
from assistant.bus.postgres import MOST_BYTES, PostgresBus, packed
from tests.tools.postgres import Cluster


@pytest.fixture
def url(postgres: Cluster) -> str:
    return postgres.empty()


@pytest.fixture
async def buses(url: str) -> AsyncIterator[tuple[PostgresBus, PostgresBus]]:
    """Two workers' buses that hear each other."""
    one, other = PostgresBus(url), PostgresBus(url)
    for here, there in ((one, other), (other, one)):
        with there.subscribe("hello") as listening:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                here.publish("hello")
                if await listening.wait(0.1):
                    break
    yield one, other
    await asyncio.gather(asyncio.to_thread(one.close), asyncio.to_thread(other.close))


def test_the_bus_fits_the_database(url: str) -> None:
    assert type(open_bus("sqlite:///x.db")) is LocalBus
    bus = open_bus(url)
    assert isinstance(bus, PostgresBus)
    bus.close()


async def test_a_hint_reaches_the_other_worker_and_this_one_once(buses: tuple[PostgresBus, PostgresBus]) -> None:
    one, other = buses
    with one.subscribe("conv:a") as mine, other.subscribe("conv:a", "conv:b") as theirs:
        one.publish("conv:a")
        assert await mine.wait(1) == {"conv:a"}
        assert await theirs.wait(5) == {"conv:a"}
        assert await mine.wait(0.2) == set()  # its own notice is not heard again


async def test_signals_cross_with_their_payload(buses: tuple[PostgresBus, PostgresBus]) -> None:
    one, other = buses
    with other.subscribe("conv:a") as theirs:
        one.signal("conv:a", {"t": "typing", "from": "agent", "on": True, "name": "安娜"})
        await theirs.wait(5)
        assert theirs.drain() == [{"t": "typing", "from": "agent", "on": True, "name": "安娜", "topic": "conv:a"}]


async def test_many_hints_share_notices(buses: tuple[PostgresBus, PostgresBus]) -> None:
    one, other = buses
    topics = [f"conv:{n:026}" for n in range(2000)]
    with other.subscribe(*topics) as theirs:
        for topic in topics:
            one.publish(topic)
        heard: set[str] = set()
        until = time.monotonic() + 10
        while heard != set(topics) and time.monotonic() < until:
            heard |= await theirs.wait(1)
        assert heard == set(topics)


async def test_a_broken_connection_is_made_again_and_everybody_looks(
    buses: tuple[PostgresBus, PostgresBus], postgres: Cluster, url: str
) -> None:
    one, other = buses
    with other.subscribe("conv:a") as theirs, postgres.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            (url.split("/")[3].split("?")[0],),
        )
        assert await theirs.wait(5) == {"conv:a"}  # somebody may have said something meanwhile
        until, heard = time.monotonic() + 10, False
        while not heard and time.monotonic() < until:
            one.publish("conv:a")
            heard = bool(await theirs.wait(0.2))
        assert heard


def test_payloads_stay_below_the_limit() -> None:
    topics = {f"conv:{n:026}" for n in range(1000)}
    signals: list[Any] = [{"topic": "a", "t": "part", "body": "字" * 1000, "n": n} for n in range(20)]
    signals.append({"topic": "a", "t": "part", "body": "x" * MOST_BYTES})  # too big by itself: lossy
    payloads = packed("w" * 26, topics, signals)
    assert max(len(payload.encode()) for payload in payloads) < 8_000
    joined = "".join(payloads)
    assert all(topic in joined for topic in topics)
    assert joined.count('"part"') == 20
    assert packed("w", set(), []) == []


@pytest.fixture
def deaf(postgres: Cluster) -> Iterator[PostgresBus]:
    bus = PostgresBus("postgresql+psycopg://nobody@/nothing?host=/nowhere")
    yield bus
    bus.close()


async def test_without_a_database_the_own_worker_is_still_told(deaf: PostgresBus) -> None:
    with deaf.subscribe("conv:a") as mine:
        deaf.publish("conv:a")
        assert await mine.wait(1) == {"conv:a"}
