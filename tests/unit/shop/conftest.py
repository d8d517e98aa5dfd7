"""A database with one site, for the shop's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.storage.engine import Storage
from assistant.storage.tables import metadata, site

SITE = "01JSHAPE0000000000000SHAPE"


@pytest.fixture
def shop_storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(f"sqlite:///{tmp_path / 'shop.db'}")
    storage.write_sync(lambda connection: metadata.create_all(connection))
    storage.write_sync(
        lambda connection: connection.execute(
            site.insert().values(id=SITE, key="demo", name="Demo", holdout_salt="salt", created_at=1)
        )
    )
    yield storage
    storage.close()


@pytest.fixture
def site_id() -> str:
    return SITE
