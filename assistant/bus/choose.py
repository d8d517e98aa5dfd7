"""The bus that fits a database: in-process for SQLite, which one worker owns; NOTIFY for PostgreSQL, which many may share."""

from __future__ import annotations

from sqlalchemy.engine import make_url

from assistant.bus.hints import LocalBus


def open_bus(url: str) -> LocalBus:
    """The bus for workers on this database. Close it at the end."""
    if make_url(url).get_backend_name() != "postgresql":
        return LocalBus()
    from assistant.bus.postgres import PostgresBus  # its driver is an extra

    return PostgresBus(url)
