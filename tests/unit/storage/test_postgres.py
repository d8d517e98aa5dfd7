"""What is particular to PostgreSQL."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from assistant.storage import migrate
from assistant.storage.engine import connect
from assistant.storage.tables import metadata
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
