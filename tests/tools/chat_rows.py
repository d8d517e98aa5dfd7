"""Writes events into the running demo's database, as if the assistant, an agent or the system had spoken."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from assistant.conversations.store import NewEvent, append
from assistant.ids import new_id
from assistant.storage.engine import Storage
from assistant.storage.tables import agent, conversation, site


def write_events(database: Path, conversation_id: str, events: Iterable[NewEvent]) -> None:
    """Appends events. The server notices by itself within its re-read of 2 s."""
    storage = Storage(f"sqlite:///{database.as_posix()}")

    def work(connection: Connection) -> Any:
        for new in events:
            append(connection, conversation_id, new, now=time.time_ns() // 1_000_000)

    storage.write_sync(work)
    storage.close()


def hand_to(database: Path, conversation_id: str, holder: str) -> None:
    """Makes `holder` ('agent:<id>') the only one who may answer, so that the assistant is quiet."""
    storage = Storage(f"sqlite:///{database.as_posix()}")
    changed = update(conversation).where(conversation.c.id == conversation_id).values(status="escalated", holder=holder)
    storage.write_sync(lambda connection: connection.execute(changed).rowcount)
    storage.close()


def write_agents(database: Path, names: Iterable[str]) -> list[str]:
    """Adds agents with these names who can never log in, and returns them as senders of events."""
    storage = Storage(f"sqlite:///{database.as_posix()}")

    def work(connection: Connection) -> list[str]:
        site_id = connection.execute(select(site.c.id).limit(1)).scalar_one()
        rows = [
            {
                "id": new_id(),
                "site_id": site_id,
                "login": new_id(),
                "name": name,
                "password_hash": "none",
                "role": "agent",
                "disabled": True,
                "created_at": 0,
            }
            for name in names
        ]
        connection.execute(insert(agent), rows)
        return [f"agent:{row['id']}" for row in rows]

    senders = storage.write_sync(work)
    storage.close()
    return senders
