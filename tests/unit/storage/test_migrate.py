"""Migrations: up from nothing, equal to the tables, and down again."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from assistant.storage import fulltext, migrate
from assistant.storage.connections import connect
from assistant.storage.tables import metadata


def test_up_from_nothing_gives_the_tables_exactly(url: str) -> None:
    migrate.upgrade(url)
    engine = connect(url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_object": fulltext.in_metadata}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        tables = {*metadata.tables, *fulltext.SQLITE_TABLES, "alembic_version"}
        assert set(inspect(connection).get_table_names()) == tables
    engine.dispose()


def test_partial_unique_indices_are_there(url: str) -> None:
    migrate.upgrade(url)
    engine = connect(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'")
        partial = " ".join(row[0] for row in rows)
    engine.dispose()
    assert "uq_event_bot_reply" in partial
    assert "uq_task_live" in partial


def test_a_second_upgrade_changes_nothing(url: str) -> None:
    migrate.upgrade(url)
    migrate.upgrade(url)
    assert migrate.is_current(url)


def test_a_missing_database_is_not_current_and_is_not_created(url: str, tmp_path: Path) -> None:
    assert migrate.current(url) is None
    assert not migrate.is_current(url)
    assert list(tmp_path.iterdir()) == []


def test_down_to_base_drops_everything(url: str) -> None:
    migrate.upgrade(url)
    migrate.downgrade(url, "base")
    engine = connect(url)
    with engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
    engine.dispose()
    assert migrate.current(url) is None


def test_upgrading_is_quiet(url: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    migrate.upgrade(url)
    assert migrate.is_current(url)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_another_working_directory_does_not_matter(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    migrate.upgrade(url)
    assert migrate.is_current(url)
