"""Agents on different workers over one PostgreSQL: one desk, one order, one holder."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from assistant.storage.tables import event

pytestmark = pytest.mark.integration


async def test_two_workers_are_one_desk(desk_workers: Any) -> None:
    here, there = desk_workers
    here.hire("anna")
    here.hire("ben")
    async with (
        here.browser("anna") as a,
        there.browser("ben") as b,
        a.console() as anna,
        b.console() as ben,
    ):
        conv = here.talk("help")
        here.escalate(conv)
        offered = await anna.until(lambda f: f["t"] == "desk" and (f["offered"] or f["waiting"]))
        first, second = (anna, ben) if offered["offered"] else (ben, anna)
        card = (offered if offered["offered"] else await ben.desk(lambda desk: desk["offered"]))["offered"][0]
        await first.send(t="decline", task=card["task"], offer=card["offer"])
        card = (await second.desk(lambda desk: desk["offered"]))["offered"][0]
        await second.send(t="accept", task=card["task"], offer=card["offer"])
        epoch = (await second.next("done", command="accept"))["assign_epoch"]
        await first.send(t="watch", conv=conv)
        await first.next("caught")
        for number in range(5):
            await second.send(t="msg", conv=conv, cmid=str(uuid4()), body=f"m{number}", assign_epoch=epoch)
            (here if number % 2 else there).say(conv, f"c{number}")
        seen = [f["ev"]["seq"] for f in first.frames if f["t"] == "ev"]
        while seen[-1] < 13:
            seen.append((await first.next("ev"))["ev"]["seq"])
        assert seen == list(range(1, 14))
        await first.send(t="msg", conv=conv, cmid=str(uuid4()), body="me too", assign_epoch=epoch)
        assert (await first.next("refused"))["code"] == "not_holder"
    joined = select(func.count()).where(event.c.kind == "joined")
    assert here.run(lambda connection: connection.execute(joined).scalar_one()) == 1


async def test_a_console_on_another_worker_replaces_the_older(desk_workers: Any) -> None:
    here, there = desk_workers
    here.hire("anna")
    async with here.browser("anna") as a, there.browser("anna") as b, a.console() as old, b.console() as new:
        assert await old.closed() == 4409
        await new.send(t="ping", n=1)
        await new.next("pong")


async def test_a_log_out_on_another_worker_closes_the_console(desk_workers: Any) -> None:
    here, there = desk_workers
    here.hire("anna")
    async with here.browser("anna") as a, a.console() as console:
        a.http.base_url = there.url
        a.http.headers["Origin"] = there.url
        assert (await a.post("/api/logout")).status_code == 200
        assert await console.closed() == 4401
