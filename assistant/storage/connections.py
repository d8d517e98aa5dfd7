"""Connections with our settings to either kind of database, and what their errors mean."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool, QueuePool

from assistant.errors import Unavailable

BUSY_S: Final = 5.0  # a write gives up when the database has been locked for so long

# PostgreSQL's serialization failure, deadlock, and lock that was not to be had in time.
_CONTENDED: Final = frozenset({"40001", "40P01", "55P03"})

# Results of SQLite that condemn the transaction rather than one statement in it.
_FATAL: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL; None for memory and for other databases."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database)


def connect(url: str, *, read_only: bool = False, busy_s: float = BUSY_S, readers: int = 4) -> Engine:
    """An engine with our settings. SQLite: WAL, synchronous FULL, foreign keys, a busy time-out, BEGIN IMMEDIATE to write.

    A connection raises Unavailable when the file system does not grant WAL and FULL: an acknowledged write would not be durable.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        mode = "on" if read_only else "off"
        return create_engine(
            parsed,
            pool_size=readers if read_only else 1,
            max_overflow=0,
            # A read sees what was committed before each of its statements, in a transaction or not: BEGIN and COMMIT would only be
            # two more ways to the server and back.
            isolation_level="AUTOCOMMIT" if read_only else "READ COMMITTED",
            connect_args={
                "connect_timeout": round(busy_s) or 1,
                "options": f"-c default_transaction_read_only={mode} -c lock_timeout={int(busy_s * 1000)}",
            },
        )
    file = sqlite_file(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    pool: dict[str, Any] = {"poolclass": NullPool}
    if read_only:
        pool = {"poolclass": QueuePool, "pool_size": readers, "max_overflow": 0}
    engine = create_engine(parsed, connect_args={"check_same_thread": False}, **pool)

    @event.listens_for(engine, "connect")
    def _settings(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # we say BEGIN ourselves
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(busy_s * 1000)}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")
        if read_only:
            cursor.execute("PRAGMA query_only = ON")
        else:
            journal = cursor.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            cursor.execute("PRAGMA synchronous = FULL")
            durable = cursor.execute("PRAGMA synchronous").fetchone()[0]
            if file is not None and (journal, durable) != ("wal", 2):
                raise Unavailable(f"{file}: the file system does not support WAL with full fsync", code="storage")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def is_fatal(error: DBAPIError) -> bool:
    """Whether `error` speaks of the database rather than of one statement: the transaction cannot go on."""
    if error.connection_invalidated:
        return True
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _FATAL
    # PostgreSQL, by SQLSTATE class: connection, rolled back, resources, limits, operator, system; none at all: no connection
    state = getattr(error.orig, "sqlstate", "")
    if state is None:
        return isinstance(error, OperationalError)
    return state[:2] in {"08", "40", "53", "54", "57", "58"}


def is_contended(error: Exception) -> bool:
    """Whether another worker was in the way: nothing was stored, nothing is wrong, and the same may be tried again."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CONTENDED


def is_busy(error: DBAPIError) -> bool:
    """Whether another process holds the lock of an SQLite file."""
    return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
