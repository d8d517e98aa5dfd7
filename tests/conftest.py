"""Databases for tests that must hold on both."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.storage import migrate
from tests.tools.postgres import Cluster, NoPostgres, cluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server of this test run. Where there is none: said loudly, and failed in CI."""
    try:
        with cluster() as running:
            yield running
    except NoPostgres as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NOT RUN: {error}")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file, to be copied: migrating takes longer than most tests."""
    file = tmp_path_factory.mktemp("template") / "staywell.db"
    migrate.upgrade(f"sqlite:///{file.as_posix()}")
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database of the test's own, of each kind."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "staywell.db")
        return f"sqlite:///{file.as_posix()}"
    running: Cluster = request.getfixturevalue("postgres")
    return running.migrated()
