"""What is particular to PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select

from assistant.conversations import contacts, store
from assistant.conversations.store import Appended, NewEvent
from assistant.errors import Unavailable
from assistant.identity import sites
from assistant.storage import migrate
from assistant.storage.engine import Storage, connect
from assistant.storage.guard import open_checked
from assistant.storage.tables import meta, metadata
from tests.tools.postgres import Cluster


def test_up_from_nothing_gives_the_tables_exactly_and_down_drops_them(postgres: Cluster) -> None:
    url = postgres.empty()
    assert not migrate.is_current(url)
    migrate.upgrade(url)
    assert migrate.is_current(url)
    engine = connect(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    migrate.downgrade(url, "base")
    with engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
    engine.dispose()


def test_workers_that_start_at_once_migrate_once(postgres: Cluster) -> None:
    url = postgres.empty()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrate.upgrade(url), range(4)))
    assert migrate.is_current(url)


async def test_a_lost_connection_fails_one_batch_and_is_made_again(postgres: Cluster) -> None:
    url = postgres.migrated()
    storage = Storage(url)

    def put(key: str) -> Callable[[Connection], None]:
        return lambda connection: connection.execute(insert(meta).values(key=key, value="x")) and None

    await storage.write(put("before"))
    with postgres.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database_of(url),)
        )
    with pytest.raises(Unavailable) as caught:
        await storage.write(put("during"))
    assert caught.value.reason == "storage"
    await storage.write(put("after"))
    query = select(meta.c.key).order_by(meta.c.key)
    assert await storage.read(lambda connection: connection.execute(query).scalars().all()) == ["after", "before"]
    await asyncio.to_thread(storage.close)


async def test_no_database_is_unavailable(postgres: Cluster) -> None:
    url = postgres.migrated().replace("/test_", "/absent_")
    storage = Storage(url, busy_s=1)
    for call in (storage.write, storage.read):
        with pytest.raises(Unavailable):
            await call(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one())
    await asyncio.to_thread(storage.close)
    with pytest.raises(Unavailable) as caught:
        open_checked(url)
    assert "\n" not in str(caught.value)


async def test_two_writers_give_one_conversation_gapless_numbers(postgres: Cluster) -> None:
    """Two workers append to one conversation, some of it under the same message ids."""
    url = postgres.migrated()
    workers = [Storage(url), Storage(url)]

    def begin(connection: Connection) -> str:
        site = sites.create(connection, key="shop", name="Shop", now=1)
        contacts.add_guest(connection, "C" * 26, site_id=site.id, customer_key="k", locale="en", now=1)
        return store.open_conversation(connection, site_id=site.id, contact_id="C" * 26, locale="en", now=1)

    conv = await workers[0].write(begin)
    cmids = [str(uuid4()) for _ in range(50)]

    async def send(worker: Storage, cmid: str) -> Appended:
        new = NewEvent("contact", "message", cmid, cmid=cmid)
        return await worker.write(lambda connection: store.append(connection, conv, new, now=1))

    appended = await asyncio.gather(*(send(worker, cmid) for cmid in cmids for worker in workers))
    assert sorted(one.seq for one in appended if not one.dup) == list(range(1, 51))
    assert sum(one.dup for one in appended) == 50
    for worker in workers:
        await asyncio.to_thread(worker.close)


def database_of(url: str) -> str:
    return url.split("/")[3].split("?")[0]
