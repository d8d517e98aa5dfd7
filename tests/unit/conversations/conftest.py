"""A migrated database of each kind, with one site and one contact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assistant.conversations import contacts, store
from assistant.identity import sites
from assistant.ids import new_id
from assistant.storage.engine import Storage


@pytest.fixture
def storage(database_url: str) -> Iterator[Storage]:
    storage = Storage(database_url)
    yield storage
    storage.close()


@pytest.fixture
def site_id(storage: Storage) -> str:
    return storage.write_sync(lambda connection: sites.create(connection, key="shop", name="Shop", now=1)).id


@pytest.fixture
def contact_id(storage: Storage, site_id: str) -> str:
    contact_id = new_id()
    storage.write_sync(
        lambda connection: contacts.add_guest(
            connection, contact_id, site_id=site_id, customer_key="key", locale="en", now=1
        )
    )
    return contact_id


@pytest.fixture
def conv(storage: Storage, site_id: str, contact_id: str) -> str:
    return storage.write_sync(
        lambda connection: store.open_conversation(
            connection, site_id=site_id, contact_id=contact_id, locale="en", now=1
        )
    )
