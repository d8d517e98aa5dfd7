"""Opens a database only when it is the one that was here before, whole, and of this schema.

When an old backup was put back (see `assistant.storage.seal`), every conversation gets a new epoch, and clients drop what they had.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import structlog
from sqlalchemy import Connection, update
from sqlalchemy.exc import DBAPIError

from assistant.errors import Unavailable
from assistant.ids import new_id
from assistant.storage import migrate
from assistant.storage.connections import connect, sqlite_file
from assistant.storage.engine import Storage
from assistant.storage.seal import FileSeal, counted, noted, refuse_lost
from assistant.storage.tables import conversation

log = structlog.get_logger()


def refuse_damaged(url: str) -> None:
    """Raises Unavailable when an SQLite file is not a whole database. Reads all of it once.

    After a crash this is the only connection. Its end then copies the write-ahead log into the file, syncs that and removes the
    log: nothing new is appended to frames whose sync may have failed, and which a loss of power would take with all that follows.
    """
    file = sqlite_file(url)
    if file is None or not file.exists():
        return
    engine = connect(url, read_only=True)
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise Unavailable(f"the database {file} cannot be read: {error.orig}", code="storage") from error
        found = str(error.orig)
    finally:
        engine.dispose()
    if found != "ok":
        first = str(found).splitlines()[0][:200]
        raise Unavailable(
            f"the database {file} is damaged ({first}): put it back from a backup", code="database_damaged"
        )


def open_checked(url: str, **options: Any) -> Storage:
    """The storage of a running server; `options` are those of Storage.

    Raises Unavailable with one clear line, `code` being `database_missing` (it was here before), `database_damaged`,
    `database_old` (migrations are wanting) or `storage` (it cannot be read or written at all).
    """
    refuse_lost(url)
    refuse_damaged(url)
    try:
        found = migrate.current(url)
    except DBAPIError as error:
        first = str(error.orig).splitlines()[0]
        raise Unavailable(f"the database cannot be reached: {first}", code="storage") from error
    if found != migrate.head():
        raise Unavailable(
            f"the database is at schema {found or 'none'}, this version needs {migrate.head()}: run `staywell migrate`",
            code="database_old",
        )
    file = sqlite_file(url)
    if file is None:
        return Storage(url, **options)
    storage = Storage(url, seal=FileSeal(file), **options)
    try:
        if storage.read_sync(counted) < noted(file):
            conversations = storage.write_sync(renew_epochs)
            log.warning("database_restored", conversations=conversations)
        else:
            storage.write_sync(lambda _connection: None)  # the first fsync: a full or read-only disk shows now
    except BaseException:
        storage.close()
        raise
    return storage


def renew_epochs(connection: Connection) -> int:
    """The log went back in time: cursors that clients hold may name other events now. Returns how many conversations there are."""
    return connection.execute(update(conversation).values(epoch=new_id())).rowcount
