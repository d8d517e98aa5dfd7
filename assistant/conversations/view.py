"""Rows of `event` as they go over the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from assistant.storage.tables import agent
from assistant.wire import Ev, SenderKind

_AGENT: Final = "agent:"
_PLAIN: Final[Mapping[str, SenderKind]] = {"contact": "contact", "bot": "bot", "system": "system"}
_INTERNAL: Final = frozenset({"disposition"})  # what agents write for the shop; never shown to the contact


def sender_kind(sender: str) -> SenderKind:
    """'agent' of 'agent:<id>'."""
    return _PLAIN.get(sender, "agent")


def agent_names(connection: Connection, rows: Iterable[RowMapping]) -> dict[str, str]:
    """Display names of the agents who wrote some of `rows`, by sender; asks the database only when there are any."""
    ids = {row["sender"].removeprefix(_AGENT) for row in rows if row["sender"].startswith(_AGENT)}
    if not ids:
        return {}
    found = connection.execute(select(agent.c.id, agent.c.name).where(agent.c.id.in_(ids)))
    return {_AGENT + row.id: row.name for row in found}


def to_ev(row: RowMapping, names: Mapping[str, str]) -> Ev:
    """An event as agents see it: all of it. `names`: display names of agents by sender."""
    return Ev(
        seq=row["seq"],
        id=row["id"],
        sender=sender_kind(row["sender"]),
        kind=row["kind"],
        cmid=row["cmid"],
        reply_to=row["reply_to"],
        name=names.get(row["sender"]),
        body=row["body"],
        data=row["data"],
        at=row["at"],
    )


def to_contact_ev(row: RowMapping, names: Mapping[str, str]) -> Ev:
    """An event as the contact sees it: without other senders' message ids, and without what is internal to the shop."""
    data: dict[str, Any] = {name: value for name, value in row["data"].items() if name not in _INTERNAL}
    own = row["sender"] == "contact"
    return to_ev(row, names).model_copy(update={"data": data, "cmid": row["cmid"] if own else None})
