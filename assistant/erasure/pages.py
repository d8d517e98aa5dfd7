"""What a deletion leaves in the files of a database, taken out of them as far as the database lets one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Final

import structlog
from sqlalchemy import create_engine

from assistant.storage import fulltext
from assistant.storage.connections import sqlite_file

WAIT_S: Final = 5.0
log = structlog.get_logger()


def forget_pages(url: str) -> bool:
    """Merges SQLite's full-text index, where what was deleted only counts as deleted, and empties its write-ahead log, whose old
    pages still hold it; in the file itself `secure_delete` zeroed it.

    PostgreSQL: vacuums, so that the space is used again. False when somebody was in the way; what is left goes with the next one.
    """
    file = sqlite_file(url)
    if file is None:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("VACUUM")
        finally:
            engine.dispose()
        return True
    with closing(sqlite3.connect(file, timeout=WAIT_S)) as connection:
        connection.execute("PRAGMA secure_delete = ON")
        try:
            fulltext.forget(connection)
        except sqlite3.OperationalError as error:
            log.warning("index_not_merged", reason=str(error))
            return False
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        log.warning("wal_not_emptied")
    return not busy
