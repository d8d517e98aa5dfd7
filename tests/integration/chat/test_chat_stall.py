"""Contacts who stop reading: closed in time, without harm to the others or to memory."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from assistant.conversations import store
from assistant.conversations.store import NewEvent
from tests.tools.stall_run import Report, stall_run

pytestmark = pytest.mark.integration


def check(report: Report) -> None:
    found = asdict(report)
    assert report.closed == report.stalled, found  # within half a minute; the long form holds it to ten seconds
    assert report.memory_is_bounded, found
    # A busy machine alone moves a p95 of a few milliseconds; what nobody notices is no harm.
    assert report.ratio <= 1.5 or report.ack_p95_beside_ms <= 250, found


async def test_stalled_readers_are_closed_and_others_do_not_notice(tmp_path: Path) -> None:
    report = await stall_run(tmp_path, normal=40, stalled=10, seconds=10.5, alone_s=4)
    assert report.acks_beside > 50
    check(report)


@pytest.mark.long
async def test_fifty_stalled_readers_beside_two_hundred_normal_clients(tmp_path: Path) -> None:
    report = await stall_run(tmp_path, normal=200, stalled=50, seconds=20)
    print(asdict(report))
    check(report)
    assert report.closed_in_time, asdict(report)


async def test_a_reader_that_comes_back_in_time_misses_nothing(chat_server: Any) -> None:
    """Slow is not stalled: pauses of less than five seconds are waited out."""
    contact = await chat_server.contact()
    async with contact:
        conv = (await contact.hello())["conv"]
        await contact.message("hello")

    def long(connection: Any) -> None:
        for n in range(400):
            store.append(connection, conv, NewEvent("bot", "message", f"{n} ".ljust(4000, "字")), now=1)

    await chat_server.chat.storage.write(long)
    async with contact:
        contact.frames.clear()
        await contact.hello(conv=conv, after=1)
        for upto in (50, 401):
            contact.socket.transport.pause_reading()
            await asyncio.sleep(2)
            contact.socket.transport.resume_reading()
            await contact.events(upto, timeout_s=20)
