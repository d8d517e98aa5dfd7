"""Several workers over one PostgreSQL: which of them a tab has reached makes no difference."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from assistant.bus.hints import LocalBus
from assistant.chat.service import ChatDeps
from assistant.conversations import store
from assistant.conversations.store import NewEvent
from assistant.storage.tables import conversation, event, turn_job
from tests.tools.chat_client import Contact

pytestmark = pytest.mark.integration


def count(worker: Any, table: Any) -> int:
    query = select(func.count()).select_from(table)
    return int(worker.chat.storage.read_sync(lambda connection: connection.execute(query).scalar_one()))


async def test_tabs_on_two_workers_converge_on_one_log(workers: list[Any]) -> None:
    left = await workers[0].contact()
    right = Contact(workers[1].base, left.token)
    async with left, right:
        await left.hello()
        await right.hello()
        await left.message("first")
        assert (await right.expect("reset"))["conv"] == left.ready["conv"]

        async def talk(tab: Contact, name: str) -> None:
            for n in range(20):
                assert (await tab.message(f"{name} {n}"))["t"] == "ack"

        await asyncio.gather(talk(left, "left"), talk(right, "right"))
        logs = [[(event["seq"], event["body"]) for event in await tab.events(41)] for tab in (left, right)]
        assert [seq for seq, _ in logs[0]] == list(range(1, 42))
        assert logs[0][-40:] == logs[1][-40:]
    assert count(workers[0], conversation) == 1
    assert count(workers[0], turn_job) == 41


async def test_first_messages_on_two_workers_at_once_open_one_conversation(workers: list[Any]) -> None:
    for _ in range(10):
        left = await workers[0].contact()
        right = Contact(workers[1].base, left.token)
        async with left, right:
            await asyncio.gather(left.hello(), right.hello())
            acks = await asyncio.gather(left.message("from left"), right.message("from right"))
            assert sorted(ack["seq"] for ack in acks) == [1, 2]
    assert count(workers[0], conversation) == 10


async def test_a_message_sent_to_both_workers_is_stored_once(workers: list[Any]) -> None:
    left = await workers[0].contact()
    right = Contact(workers[1].base, left.token)
    async with left, right:
        await left.hello()
        await left.message("begin")
        await right.hello()
        for n in range(20):
            cmid = str(uuid4())
            acks = await asyncio.gather(left.message(f"{n}", cmid), right.message(f"{n}", cmid))
            assert sorted(ack["dup"] for ack in acks) == [False, True]
            assert acks[0]["seq"] == acks[1]["seq"] == n + 2
    assert count(workers[0], event) == 21


async def test_hints_and_signals_cross_between_workers(workers: list[Any]) -> None:
    async with await workers[0].contact() as contact:
        await contact.hello()
        await contact.message("hello")
        conv, other = contact.ready["conv"], workers[1].chat
        workers[0].chat.live.heads._interval_s = 60.0
        await asyncio.sleep(2.2)  # the watcher has looked, and will not before a minute is over
        for n in range(10):
            reply = NewEvent("bot", "message", f"reply {n}")
            await other.storage.write(lambda connection, reply=reply: store.append(connection, conv, reply, now=1))
            other.deps.bus.publish(f"conv:{conv}")
            await contact.events(n + 2, timeout_s=15)  # by the notice
        other.deps.bus.signal(f"conv:{conv}", {"t": "typing", "from": "agent", "on": True, "name": "Ana"})
        assert (await contact.expect("typing"))["name"] == "Ana"


async def test_notices_that_are_lost_are_made_up_for_within_two_seconds(workers: list[Any]) -> None:
    """The other worker's bus is deaf and dumb."""
    async with await workers[0].contact() as contact:
        await contact.hello()
        await contact.message("hello")
        await contact.events(1)
        await asyncio.sleep(2.2)
        other, conv = workers[1].chat, contact.ready["conv"]
        deps: ChatDeps = other.deps
        object.__setattr__(deps, "bus", LocalBus())
        await other.storage.write(
            lambda connection: store.append(connection, conv, NewEvent("bot", "message", "late"), now=1)
        )
        deps.bus.publish(f"conv:{conv}")
        await contact.events(
            2, timeout_s=15
        )  # by the watcher, which looks every 2 s: the connection alone would after 30


async def test_a_worker_that_goes_away_hands_its_clients_over(workers: list[Any]) -> None:
    contact = await workers[0].contact()
    async with contact:
        ready = await contact.hello()
        await contact.message("before")
        draining = asyncio.create_task(workers[0].chat.live.drain(0.2))
        await contact.expect("drain")
    await draining
    contact.base = workers[1].base
    async with contact:
        contact.frames.clear()
        again = await contact.hello(conv=ready["conv"], epoch=ready["epoch"], after=1)
        assert (again["conv"], again["resumed"], again["head"]) == (ready["conv"], True, 1)
        assert (await contact.message("after"))["seq"] == 2
