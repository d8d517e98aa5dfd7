"""A site's budget is spent by one worker at a time."""

from __future__ import annotations

import asyncio
import threading

from sqlalchemy import Connection

from assistant.storage.engine import Storage
from assistant.turns.look import hold_purse
from tests.tools.postgres import Cluster


async def test_another_worker_waits_until_what_was_spent_is_stored(postgres: Cluster) -> None:
    url = postgres.migrated()
    one, other = Storage(url), Storage(url)
    held, go_on = threading.Event(), threading.Event()

    def spend(connection: Connection) -> str:
        hold_purse(connection, "shop")
        held.set()
        go_on.wait(10)
        return "spent"

    def look(site: str) -> asyncio.Future[None]:
        return asyncio.ensure_future(other.write(lambda connection: hold_purse(connection, site)))

    spending = asyncio.ensure_future(one.write(spend))
    await asyncio.to_thread(held.wait, 10)
    await look("another shop")
    looking = look("shop")
    await asyncio.sleep(0.6)  # longer than a lock is waited for at once: the work is tried again
    assert not looking.done()
    go_on.set()
    assert await spending == "spent"
    await looking
    for storage in (one, other):
        await asyncio.to_thread(storage.close)
