"""Brings a database to the current schema. Works from an installed package: the scripts are found by import, no ini file needed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from assistant.storage.connections import connect, sqlite_file
from assistant.storage.seal import refuse_lost


def _config(connection: Connection | None = None) -> Config:
    spec = find_spec("migrations")
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise RuntimeError("the package `migrations` is not installed")
    config = Config()
    config.set_main_option("script_location", str(Path(places[0])).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


_LOCK: Final = 7_411_832_905  # any number, as long as it is always this one


def _hush() -> None:
    """Alembic reports every step at INFO to whoever has set up logging; here its warnings are enough."""
    logging.getLogger("alembic").setLevel(logging.WARNING)


def head() -> str:
    """The revision that this code needs."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError("no migrations found")
    return revision


def current(url: str) -> str | None:
    """The revision that the database is at; None when it has none yet. Never creates a file."""
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return None
    _hush()
    engine = connect(url, read_only=True)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def is_current(url: str) -> bool:
    """Whether the database has the schema that this code needs."""
    return current(url) == head()


def upgrade(url: str, revision: str = "head") -> None:
    """Applies the missing migrations, all in one transaction; makes the database when there is none and never was one.

    Raises Unavailable(code="database_missing") when one was here before and is gone.
    """
    refuse_lost(url)
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str) -> None:
    """Goes back to `revision`; 'base' drops everything."""
    _run(url, lambda config: command.downgrade(config, revision))


def _run(url: str, step: Callable[[Config], None]) -> None:
    _hush()
    engine = connect(url)
    try:
        with engine.begin() as connection:
            # Several workers may start at once, and wait as long as it takes; SQLite has its lock already.
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            step(_config(connection))
    finally:
        engine.dispose()
