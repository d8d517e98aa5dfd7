"""Links that are cut, stalled, half open or slow: the same zeros, and caught up soon after the link is back."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest

from assistant.chat import session as rules
from tests.tools.chat_client import until
from tests.tools.chat_server import free_port
from tests.tools.link_run import link_run, summary
from tests.tools.proxy import Proxy
from tests.tools.run_report import Report
from tests.tools.server_process import ServerProcess
from tests.tools.talkers import PATIENT_S, QUIET_S, finish, talkers

pytestmark = pytest.mark.integration


async def test_broken_links(tmp_path: Path) -> None:
    report = await link_run(tmp_path, faults=25, clients=10)
    assert report.clean, summary(report)
    assert report.faults == 25
    assert summary(report)["caught_up_p95_s"] <= 10.0  # a busy machine's; the long form holds it to 3


async def storm(base: str, *, clients: int, pause_s: float, quiet_s: float = QUIET_S) -> Report:
    """All contacts are cut off in one moment; returns when all are back and have seen everything.

    `quiet_s`: their patience. Real ones have ten seconds; with one, so many give up on each other's account and come again.
    """
    report = Report()
    async with Proxy(int(base.rsplit(":", 1)[1])) as link:
        people = await talkers(base, clients, report, quiet_s=quiet_s)
        for person in people:
            person.url = f"http://127.0.0.1:{link.port}"
        tasks = [asyncio.create_task(person.run(random.Random(n), pause_s)) for n, person in enumerate(people)]
        await until(lambda: all(person.acked for person in people), 120)
        for person in people:
            person.quiet = True
        await asyncio.sleep(pause_s)  # who thinks about the next message does not look at the line meanwhile
        await until(lambda: not any(person.pending for person in people), 60)
        link.set("cut")
        await asyncio.sleep(0.2)
        report.caught_up_s.clear()
        link.set("pass")
        began = time.monotonic()
        await until(lambda: len(report.caught_up_s) >= len(people), 60)
        report.seconds = time.monotonic() - began
        report.unfinished = await finish(people, tasks)
    return report


async def test_a_storm_of_reconnections(chat_server: Any) -> None:
    report = await storm(chat_server.base, clients=60, pause_s=1.0)
    assert report.unfinished == 0
    assert 1011 not in report.close_codes


@pytest.mark.long
async def test_a_storm_of_five_hundred_is_over_within_ten_seconds(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, free_port())
    await server.start()
    try:
        report = await storm(server.base, clients=500, pause_s=10.0, quiet_s=PATIENT_S)
    finally:
        await server.kill()
    print({"clients": 500, "all_back_after_s": round(report.seconds, 1), "connections": report.connections})
    assert report.unfinished == 0
    assert 1011 not in report.close_codes
    assert report.seconds <= 10


async def test_a_half_open_link_is_given_up_by_the_server(chat_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing comes any more and nothing says so: the silence is what tells. (40 s, here one.)"""
    monkeypatch.setattr(rules, "IDLE_MS", 1_000)
    async with Proxy(int(chat_server.base.rsplit(":", 1)[1])) as link:
        contact = await chat_server.contact()
        contact.options["origin"] = chat_server.base
        contact.base = f"http://127.0.0.1:{link.port}"
        async with contact:
            await contact.hello()
            live = chat_server.chat.live
            assert len(live) == 1
            link.set("drop_up")
            await until(lambda: len(live) == 0, 5)
            assert (await contact.closed())[0] == 4408  # that way the link still works


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_three_hundred_broken_links(tmp_path: Path) -> None:
    report = await link_run(tmp_path, faults=300, clients=20)
    print(summary(report))
    assert report.clean, summary(report)
    assert summary(report)["caught_up_p95_s"] <= 3.0
