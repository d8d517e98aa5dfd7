"""Products, scripts and help articles of a site in the database: stored by content hash, read back as retrieval's documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import orjson
from sqlalchemy import Connection, Table, delete, insert, select, update

from assistant.errors import BadInput, BadRow
from assistant.shop.rows import Report
from assistant.storage.engine import Storage
from assistant.storage.tables import article, product, script
from retrieval import articles, catalogue, playbook
from retrieval.codec import digest, from_line, to_line
from retrieval.documents import Document, Kind, kind_of
from retrieval.errors import RowFault

BATCH = 500
TABLES: Mapping[Kind, Table] = {"script": script, "product": product, "article": article}


def import_documents(
    storage: Storage,
    path: Path,
    kind: Kind,
    *,
    site_id: str,
    now: int,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Scripts (.jsonl, one family a line), products (.csv, .jsonl, a shop's export) or articles (.csv, .jsonl) into the database.

    The report counts documents: a family of two languages is two. Raises `BadInput` when the file as a whole cannot be read.
    """
    try:
        documents, faults = _read(path, kind)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path.name} cannot be read: {error}") from error
    report = Report(read=len(documents) + len(faults), bad=[BadRow(row.reason, line=row.line) for row in faults])
    for start in range(0, len(documents), BATCH):
        batch = documents[start : start + BATCH]
        store = partial(put_documents, documents=batch, site_id=site_id, now=now)
        stored, unchanged = storage.write_sync(store)
        report.stored += stored
        report.unchanged += unchanged
        if progress:
            progress(len(batch))
    return report


def _read(path: Path, kind: Kind) -> tuple[Sequence[Document], Sequence[RowFault]]:
    if kind == "script":
        return playbook.load([path])
    return catalogue.load(path) if kind == "product" else articles.load(path)


def put_documents(connection: Connection, documents: Iterable[Document], *, site_id: str, now: int) -> tuple[int, int]:
    """Stores new and changed documents; (stored, unchanged). A document is known by its id and locale."""
    stored = unchanged = 0
    for document in documents:
        table = TABLES[kind_of(document)]
        line = to_line(document)
        content_hash = digest(line)
        key = (table.c.site_id == site_id) & (table.c.id == document.id) & (table.c.locale == document.locale)
        known = connection.execute(select(table.c.content_hash).where(key)).scalar()
        if known == content_hash:
            unchanged += 1
            continue
        values = {"document": orjson.loads(line), "content_hash": content_hash, "updated_at": now}
        if known is None:
            row = {"site_id": site_id, "id": document.id, "locale": document.locale, **values}
            connection.execute(insert(table).values(**row))
        else:
            connection.execute(update(table).where(key).values(**values))
        stored += 1
    return stored, unchanged


def load_documents(connection: Connection, kind: Kind, *, site_id: str) -> list[Document]:
    """All documents of one kind of a site, ordered by id and locale."""
    table = TABLES[kind]
    query = select(table.c.document).where(table.c.site_id == site_id).order_by(table.c.id, table.c.locale)
    return [from_line(kind, orjson.dumps(content)) for content in connection.execute(query).scalars()]


def remove_documents(connection: Connection, kind: Kind, ids: Iterable[str], *, site_id: str) -> int:
    """Removes documents in all their locales; how many rows went."""
    table = TABLES[kind]
    return connection.execute(delete(table).where(table.c.site_id == site_id, table.c.id.in_(list(ids)))).rowcount
