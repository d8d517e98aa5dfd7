"""The audit trail: who read, exported, logged in or overrode what. Append-only; each row carries the hash of the one before.

A row that is changed, taken out or put in between breaks the chain, and `verify` names the first that does not fit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson
from sqlalchemy import Connection, insert, select, text

from assistant.storage.tables import agent, audit

GENESIS: Final = "0" * 64
_LOCK: Final = 0x5741_5544  # PostgreSQL advisory lock: the chain has one writer at a time


def record(
    connection: Connection,
    *,
    actor: str,
    action: str,
    now: int,
    object: str | None = None,  # noqa: A002 — the column's name
    data: Mapping[str, Any] | None = None,
) -> None:
    """Appends a row. `actor`: 'agent:<id>', 'system' or 'unknown'. `data` holds ids and counts, never message bodies."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    previous = connection.execute(select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)).scalar() or GENESIS
    row = {"at": now, "actor": actor, "action": action, "object": object, "data": dict(data or {})}
    connection.execute(insert(audit).values(**row, previous=previous, hash=_hash(previous, row)))


def note_read(connection: Connection, actor: str, conversation_id: str, *, now: int) -> None:
    """Appends that somebody read a transcript."""
    record(connection, actor=actor, action="transcript_read", object=conversation_id, now=now)


def of_site(connection: Connection, site_id: str, *, before: int | None, limit: int) -> list[dict[str, Any]]:
    """What a site's agents did, newest first, with their names; rows with an id below `before`."""
    query = (
        select(audit.c.id, audit.c.at, audit.c.action, audit.c.object, audit.c.data, agent.c.name)
        .join(agent, audit.c.actor == "agent:" + agent.c.id)
        .where(agent.c.site_id == site_id)
        .order_by(audit.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(audit.c.id < before)
    return [dict(row) for row in connection.execute(query).mappings()]


def verify(connection: Connection) -> int | None:
    """The id of the first row that does not fit the chain; None when all do."""
    previous = GENESIS
    for row in connection.execute(select(audit).order_by(audit.c.id)).mappings():
        content = {key: row[key] for key in ("at", "actor", "action", "object", "data")}
        if row["previous"] != previous or row["hash"] != _hash(previous, content):
            return int(row["id"])
        previous = row["hash"]
    return None


def _hash(previous: str, row: Mapping[str, Any]) -> str:
    content = orjson.dumps(dict(row), option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(previous.encode() + content).hexdigest()
