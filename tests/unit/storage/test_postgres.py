"""What is particular to PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Integer, String, cast, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError

from assistant.conversations import contacts, store
from assistant.conversations.store import Appended, NewEvent
from assistant.errors import Unavailable
from assistant.identity import sites
from assistant.storage import fulltext, migrate
from assistant.storage.connections import connect
from assistant.storage.engine import Batch, Storage
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
        options = {"compare_type": True, "compare_server_default": True, "include_object": fulltext.in_metadata}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
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


async def test_a_reader_that_has_lost_its_connection_takes_another(postgres: Cluster) -> None:
    url = postgres.migrated()
    storage = Storage(url)

    def one(connection: Connection) -> int:
        return int(connection.exec_driver_sql("SELECT 1").scalar_one())

    assert await asyncio.gather(*(storage.read(one) for _ in range(8))) == [1] * 8
    with postgres.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database_of(url),)
        )
    assert await asyncio.gather(*(storage.read(one) for _ in range(8))) == [1] * 8
    with pytest.raises(DBAPIError, match="read-only"):
        await storage.read(lambda connection: connection.execute(insert(meta).values(key="k", value="x")))
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


async def test_workers_in_each_others_way_both_get_their_work_done(postgres: Cluster) -> None:
    """Each holds a row that the other wants next: neither caller notices more than a short wait, and nothing is done twice."""
    url = postgres.migrated()
    batches: list[Batch] = []
    workers = [Storage(url, on_batch=batches.append) for _ in range(2)]
    both_hold = threading.Barrier(2)
    met = [False, False]

    def put(key: str) -> Callable[[Connection], None]:
        return lambda connection: connection.execute(insert(meta).values(key=key, value="0")) and None

    for key in ("a", "b"):
        await workers[0].write(put(key))

    def count(number: int, order: str) -> Callable[[Connection], str]:
        def work(connection: Connection) -> str:
            for key in order:
                up = update(meta).where(meta.c.key == key).values(value=cast(cast(meta.c.value, Integer) + 1, String))
                connection.execute(up)
                if not met[number]:
                    met[number] = True
                    both_hold.wait(10)
            return order

        return work

    done = await asyncio.gather(workers[0].write(count(0, "ab")), workers[1].write(count(1, "ba")))
    assert done == ["ab", "ba"]
    query = select(meta.c.value).order_by(meta.c.key)
    assert await workers[0].read(lambda connection: connection.execute(query).scalars().all()) == ["2", "2"]
    assert all(batch.error is None for batch in batches)
    for worker in workers:
        await asyncio.to_thread(worker.close)


async def test_one_that_waits_for_a_lock_too_long_is_refused_and_the_others_are_not(postgres: Cluster) -> None:
    url = postgres.migrated()
    storage = Storage(url, busy_s=1)

    def put(key: str) -> Callable[[Connection], str]:
        return lambda connection: connection.execute(insert(meta).values(key=key, value="x")) and key

    await storage.write(put("held"))
    with psycopg.connect(libpq(url)) as other:
        other.execute("SELECT * FROM meta WHERE key = 'held' FOR UPDATE")
        wanted = update(meta).where(meta.c.key == "held").values(value="y")
        stuck, free = await asyncio.gather(
            storage.write(lambda connection: connection.execute(wanted).rowcount),
            storage.write(put("free")),
            return_exceptions=True,
        )
    assert isinstance(stuck, Unavailable)
    assert (stuck.reason, free) == ("storage", "free")
    assert await storage.write(lambda connection: connection.execute(wanted).rowcount) == 1
    await asyncio.to_thread(storage.close)


async def test_a_database_that_goes_away_while_workers_meet_refuses_the_rest(postgres: Cluster) -> None:
    """The lock is not to be had, and then the server is gone: everybody is told, nobody waits for ever."""
    url = postgres.migrated()
    storage = Storage(url, busy_s=2)

    def contended(connection: Connection) -> None:
        connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '40P01'; END $$")

    def gone(connection: Connection) -> None:
        connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION 'gone' USING ERRCODE = '57P01'; END $$")

    refused = await asyncio.gather(*(storage.write(work) for work in (contended, gone)), return_exceptions=True)
    assert [getattr(error, "reason", None) for error in refused] == ["storage", "storage"]
    assert await storage.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar_one()) == 1
    await asyncio.to_thread(storage.close)


def libpq(url: str) -> str:
    """The URL as psycopg takes it."""
    return url.replace("+psycopg", "")


def database_of(url: str) -> str:
    return url.split("/")[3].split("?")[0]
