"""Saved views: searches of the transcript list under a name, a supervisor's own or shared with the shop's other supervisors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, func, insert, or_, select, update

from assistant.errors import Conflict, Forbidden, NotFound
from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.storage.tables import agent, saved_view

MOST: Final = 50  # of one person


def views_of(connection: Connection, who: Agent) -> list[dict[str, Any]]:
    """Those that `who` may open: the own ones first, then what others share, each by name."""
    rows = (
        connection.execute(
            select(saved_view, agent.c.name.label("by"))
            .join(agent, agent.c.id == saved_view.c.agent_id)
            .where(
                saved_view.c.site_id == who.site_id, or_(saved_view.c.agent_id == who.id, saved_view.c.shared.is_(True))
            )
        )
        .mappings()
        .all()
    )
    views = [
        {name: row[name] for name in ("id", "name", "filters", "shared", "by", "updated_at")}
        | {"own": row["agent_id"] == who.id}
        for row in rows
    ]
    return sorted(views, key=lambda view: (not view["own"], view["name"].casefold(), view["id"]))


def save(connection: Connection, who: Agent, *, name: str, filters: Mapping[str, str], shared: bool, now: int) -> str:
    """Keeps a view; returns its id. Raises Conflict: `name_taken` by another one of the same person, `too_many`."""
    mine = select(func.count()).select_from(saved_view).where(saved_view.c.agent_id == who.id)
    if connection.execute(mine).scalar_one() >= MOST:
        raise Conflict(f"at most {MOST} views a person", code="too_many")
    _free(connection, who.id, name)
    view_id = new_id()
    connection.execute(
        insert(saved_view).values(
            id=view_id,
            site_id=who.site_id,
            agent_id=who.id,
            name=name,
            filters=dict(filters),
            shared=shared,
            created_at=now,
            updated_at=now,
        )
    )
    return view_id


def change(connection: Connection, who: Agent, view_id: str, *, now: int, **values: Any) -> None:
    """Changes name, filters or whether it is shared. Raises NotFound, Forbidden (another person's), Conflict `name_taken`."""
    row = _mine(connection, who, view_id)
    if "name" in values:
        _free(connection, row["agent_id"], values["name"], but=view_id)
    connection.execute(update(saved_view).where(saved_view.c.id == view_id).values(**values, updated_at=now))


def remove(connection: Connection, who: Agent, view_id: str) -> None:
    """Takes a view out. Raises NotFound, Forbidden (another person's; an admin may take out what is shared)."""
    _mine(connection, who, view_id, or_admin=True)
    connection.execute(delete(saved_view).where(saved_view.c.id == view_id))


def _mine(connection: Connection, who: Agent, view_id: str, *, or_admin: bool = False) -> RowMapping:
    row = connection.execute(select(saved_view).where(saved_view.c.id == view_id)).mappings().first()
    if row is None or row["site_id"] != who.site_id or not (row["agent_id"] == who.id or row["shared"]):
        raise NotFound("there is no such view", code="unknown_view")
    if row["agent_id"] != who.id and not (or_admin and who.role == "admin"):
        raise Forbidden("this view is another person's")
    return row


def _free(connection: Connection, agent_id: str, name: str, *, but: str | None = None) -> None:
    taken = select(saved_view.c.id).where(saved_view.c.agent_id == agent_id, saved_view.c.name == name)
    found = connection.execute(taken).scalar()
    if found is not None and found != but:
        raise Conflict("you have a view of this name already", code="name_taken")
