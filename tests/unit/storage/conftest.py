"""A database file of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.storage import migrate
from assistant.storage.engine import Storage


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "staywell.db"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file.as_posix()}"


@pytest.fixture
def migrated(url: str) -> str:
    migrate.upgrade(url)
    return url


@pytest.fixture
def storage(database_url: str) -> Iterator[Storage]:
    """Storage over each kind of database."""
    storage = Storage(database_url)
    yield storage
    storage.close()
