"""Runs migrations on the connection that `assistant.storage.migrate` hands over, or, from the alembic command, on a new one."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from assistant.settings import Settings
from assistant.storage.connections import connect
from assistant.storage.fulltext import in_metadata
from assistant.storage.tables import metadata


def run(connection: Connection) -> None:
    """All in one transaction, so that a failed migration leaves the database as it was."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        compare_server_default=True,
        include_object=in_metadata,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    """Online only: SQL scripts without a database are not offered."""
    if context.is_offline_mode():
        raise SystemExit("migrations need a database: --sql is not offered")
    given = context.config.attributes.get("connection")
    if given is not None:
        run(given)
        return
    engine = connect(Settings().url)
    with engine.begin() as connection:
        run(connection)
    engine.dispose()


main()
