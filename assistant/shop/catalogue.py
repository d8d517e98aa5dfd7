"""Products and scripts of a site in the database: stored by content hash, read back as retrieval's documents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Connection, Table, delete, insert, select, update

from assistant.storage.tables import product, script
from retrieval.documents import Product, Script

_SCRIPT: TypeAdapter[Script] = TypeAdapter(Script)
_PRODUCT: TypeAdapter[Product] = TypeAdapter(Product)


def put_documents(
    connection: Connection, documents: Iterable[Script | Product], *, site_id: str, now: int
) -> tuple[int, int]:
    """Stores new and changed documents; (stored, unchanged). A document is known by its id and locale."""
    stored = unchanged = 0
    for document in documents:
        table, content = _row(document)
        digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
        key = (table.c.site_id == site_id) & (table.c.id == document.id) & (table.c.locale == document.locale)
        known = connection.execute(select(table.c.content_hash).where(key)).scalar()
        if known == digest:
            unchanged += 1
            continue
        values = {"document": content, "content_hash": digest, "updated_at": now}
        if known is None:
            row = {"site_id": site_id, "id": document.id, "locale": document.locale, **values}
            connection.execute(insert(table).values(**row))
        else:
            connection.execute(update(table).where(key).values(**values))
        stored += 1
    return stored, unchanged


def load_scripts(connection: Connection, *, site_id: str) -> list[Script]:
    """All scripts of a site, ordered by id."""
    return [_SCRIPT.validate_python(content) for content in _contents(connection, script, site_id)]


def load_products(connection: Connection, *, site_id: str, locale: str | None = None) -> list[Product]:
    """All products of a site, ordered by id; of one locale when given."""
    products = [_PRODUCT.validate_python(content) for content in _contents(connection, product, site_id)]
    return [item for item in products if locale is None or item.locale == locale]


def remove_documents(
    connection: Connection, kind: type[Script] | type[Product], ids: Iterable[str], *, site_id: str
) -> int:
    """Removes documents in all their locales; how many rows went."""
    table = script if kind is Script else product
    return connection.execute(delete(table).where(table.c.site_id == site_id, table.c.id.in_(list(ids)))).rowcount


def _row(document: Script | Product) -> tuple[Table, dict[str, Any]]:
    if isinstance(document, Script):
        return script, _SCRIPT.dump_python(document, mode="json")
    return product, _PRODUCT.dump_python(document, mode="json")


def _contents(connection: Connection, table: Table, site_id: str) -> list[Any]:
    query = select(table.c.document).where(table.c.site_id == site_id).order_by(table.c.id, table.c.locale)
    return list(connection.execute(query).scalars())
