"""Statements said to the driver as they are: they must do what SQLAlchemy would have done."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from assistant.storage.engine import Storage
from assistant.storage.prepared import Prepared
from assistant.storage.tables import meta, site

ADD = Prepared(insert(meta))
GET = Prepared(select(meta.c.value).where(meta.c.key == bindparam("the_key")))
CHANGE = Prepared(
    update(meta).where(meta.c.key == bindparam("the_key"), meta.c.value != "kept").values(value=bindparam("the_value"))
)
SITE = Prepared(insert(site))


async def test_rows_come_back_as_they_were_put(storage: Storage) -> None:
    value = "'; DROP TABLE meta; -- % %s ? :x 中文 😀"

    def work(connection: Connection) -> None:
        ADD.run(connection, key="k", value=value)
        assert GET.first(connection, the_key="k") == (value,)
        assert GET.first(connection, the_key="absent") is None
        CHANGE.run(connection, the_key="k", the_value="kept")
        CHANGE.run(connection, the_key="k", the_value="other")
        assert GET.first(connection, the_key="k") == ("kept",)

    await storage.write(work)
    assert await storage.read(lambda connection: GET.first(connection, the_key="k")) == ("kept",)


async def test_values_are_encoded_as_sqlalchemy_would(storage: Storage) -> None:
    every = {column.name: None for column in site.columns}
    given = {
        "id": "S" * 26, "key": "shop", "name": "Shop", "origins": ["https://a.example", "中"], "settings": {"a": [1, None]},
        "locale": "en", "currency": "EUR", "holdout_salt": "x", "created_at": 1,
    }  # fmt: skip
    row = {name: given.get(name, value) for name, value in every.items()}
    for column in site.columns:
        if row[column.name] is None and not column.nullable:
            row[column.name] = column.default.arg(None) if callable(column.default.arg) else column.default.arg
    await storage.write(lambda connection: SITE.run(connection, **row))
    found = await storage.read(lambda connection: dict(connection.execute(select(site)).mappings().one()))
    assert found == row


async def test_a_broken_rule_is_the_same_error(storage: Storage) -> None:
    await storage.write(lambda connection: ADD.run(connection, key="k", value="x"))
    with pytest.raises(IntegrityError):
        await storage.write(lambda connection: ADD.run(connection, key="k", value="x"))
    await storage.write(lambda connection: ADD.run(connection, key="other", value="x"))


async def test_what_cannot_be_said_plainly_is_refused(storage: Storage) -> None:
    with pytest.raises(TypeError, match="must be given"):
        await storage.write(lambda connection: Prepared(insert(site)).run(connection, id="S" * 26))


def test_a_column_that_needs_decoding_is_refused(migrated: str) -> None:
    storage = Storage(migrated)
    with pytest.raises(TypeError, match="origins"):
        storage.read_sync(Prepared(select(site.c.origins)).first)
    storage.close()
