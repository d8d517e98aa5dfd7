"""The seal of an SQLite file: a small file beside it, `<file>.seal`, with the number of the last transaction known to be stored.

It tells a first start from a lost database (a seal without its file), and an old backup put back (the file counts less than its
seal) from the database that clients know.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection, text

from assistant.errors import Unavailable
from assistant.storage.connections import sqlite_file

log = structlog.get_logger()

_COUNT: Final = text(
    "INSERT INTO meta (key, value) VALUES ('transactions', '1') "
    "ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS INTEGER) + 1 AS TEXT) RETURNING value"
)
_COUNTED: Final = text("SELECT value FROM meta WHERE key = 'transactions'")


class FileSeal:
    """The seal of one SQLite file. It is written after the commit and never synced: it may lag behind the file, not lead it."""

    def __init__(self, file: Path) -> None:
        self.path = seal_of(file)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)

    def count(self, connection: Connection) -> int:
        """The number of this transaction, inside it."""
        return int(connection.execute(_COUNT).scalar_one())

    def note(self, number: int) -> None:
        """Puts `number` beside the file. A disk that cannot take it is left to the next transaction to report."""
        try:
            os.pwrite(self._descriptor, b"%020d\n" % number, 0)
        except OSError:
            log.warning("seal_not_written", path=str(self.path))

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._descriptor)


def seal_of(file: Path) -> Path:
    """Where the seal of a database file stands."""
    return file.with_name(file.name + ".seal")


def refuse_lost(url: str) -> None:
    """Raises Unavailable when a database was here and its file is gone: an empty one must not take its place unasked."""
    file = sqlite_file(url)
    if file is None or not seal_of(file).exists() or (file.exists() and file.stat().st_size > 0):
        return
    raise Unavailable(
        f"the database {file} is missing, but was here before: put it back from a backup, "
        f"or delete {seal_of(file).name} beside it to start with an empty one",
        code="database_missing",
    )


def counted(connection: Connection) -> int:
    """The number of the last transaction in the database."""
    return int(connection.execute(_COUNTED).scalar() or 0)


def noted(file: Path) -> int:
    """The number that stands in the seal of a database file; 0 when there is none yet."""
    try:
        content = seal_of(file).read_bytes()[:20]
    except FileNotFoundError:
        return 0
    return int(content) if content.isdigit() else 0
