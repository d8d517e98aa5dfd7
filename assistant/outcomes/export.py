"""The log as files: decisions, outcomes, or decisions with their outcomes, as JSON lines or CSV. Streams.

CSV cells that a spreadsheet would run as a formula are prefixed with an apostrophe; nested values are JSON in their cell. The
columns are those of the tables, plus `outcomes` in the joined form, attributed as in `attribution.py`. Customers appear as
keyed hashes only.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import orjson
from sqlalchemy import Connection, Table, select

from assistant.outcomes.attribution import outcomes_of, plain
from assistant.storage.tables import decision, outcome

What = Literal["decisions", "outcomes", "both"]
Form = Literal["jsonl", "csv"]
BATCH: Final = 500

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def export(
    connection: Connection,
    *,
    what: What,
    form: Form = "jsonl",
    site_id: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> Iterator[bytes]:
    """Lines, each with its line end, UTF-8; CSV starts with a header.

    `since` (inclusive) and `until` (exclusive) are UTC ms of the decision, or of the event for outcomes alone. Corrected outcomes
    stay in, with the row that supersedes them: what was known when is part of the log.
    """
    rows = rows_of(connection, what=what, site_id=site_id, since=since, until=until)
    if form == "jsonl":
        for row in rows:
            yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
        return
    columns = [column.name for column in (outcome if what == "outcomes" else decision).c]
    if what == "both":
        columns.append("outcomes")
    yield csv_line(columns)
    for row in rows:
        yield csv_line([cell(row[column]) for column in columns])


def rows_of(
    connection: Connection,
    *,
    what: What,
    site_id: str | None = None,
    since: int | None = None,
    until: int | None = None,
) -> Iterator[dict[str, Any]]:
    """The rows themselves, oldest first."""
    if what == "outcomes":
        yield from _pages(connection, outcome, "ts_event", site_id, since, until)
        return
    batch: list[dict[str, Any]] = []
    for row in _pages(connection, decision, "ts_decision", site_id, since, until):
        if what == "decisions":
            yield row
            continue
        batch.append(row)
        if len(batch) == BATCH:
            yield from _with_outcomes(connection, batch)
            batch = []
    yield from _with_outcomes(connection, batch)


def neutral(text: str) -> str:
    """A text that no spreadsheet runs as a formula. Numbers stay numbers."""
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return "'" + text
    return text


def _pages(
    connection: Connection, table: Table, time: str, site_id: str | None, since: int | None, until: int | None
) -> Iterator[dict[str, Any]]:
    """All rows by id, in pages: ids sort by time, and no cursor stays open while the caller works.

    The site is asked for in a way that no index answers: SQLite would else sort the whole site anew for each page.
    """
    last = ""
    while True:
        query = select(table).where(table.c.id > last).order_by(table.c.id).limit(BATCH)
        if site_id is not None:
            query = query.where(table.c.site_id + "" == site_id)
        if since is not None:
            query = query.where(table.c[time] >= since)
        if until is not None:
            query = query.where(table.c[time] < until)
        rows = connection.execute(query).mappings().all()
        if not rows:
            return
        for row in rows:
            yield plain(row)
        last = rows[-1]["id"]


def _with_outcomes(connection: Connection, decisions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    if not decisions:
        return
    found = outcomes_of(connection, [row["id"] for row in decisions])
    for row in decisions:
        yield row | {"outcomes": found[row["id"]]}


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | Mapping):
        return orjson.dumps(value).decode()
    return neutral(str(value))


def csv_line(cells: list[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().encode()
