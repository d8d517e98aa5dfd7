"""Colleagues named in a note: told in their console, until they have read it. Plain functions of a Connection.

A mention is kept beside its note and goes with it; like the note, nothing of it reaches the contact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, func, insert, select, update

from assistant.conversations.contacts import display_name
from assistant.errors import BadInput
from assistant.escalation.frames import Mention
from assistant.identity.agents import Agent
from assistant.storage.tables import agent as agents
from assistant.storage.tables import contact, conversation, mention, note

MOST_LISTED: Final = 30
PREVIEW: Final = 200


def mention_all(
    connection: Connection, who: Agent, note_id: str, conversation_id: str, whom: Iterable[str], *, now: int
) -> None:
    """Notes whom a note speaks to; its writer is left out. Raises BadInput `no_such_agent` for anybody but the shop's own."""
    wanted = set(whom) - {who.id}
    if not wanted:
        return
    ours = select(agents.c.id).where(
        agents.c.id.in_(wanted), agents.c.site_id == who.site_id, agents.c.disabled.is_(False)
    )
    if set(connection.execute(ours).scalars()) != wanted:
        raise BadInput("there is no such colleague", code="no_such_agent")
    connection.execute(
        insert(mention),
        [
            {"note_id": note_id, "agent_id": one, "conversation_id": conversation_id, "at": now}
            for one in sorted(wanted)
        ],
    )


def mark_read(connection: Connection, who: Agent, conversation_id: str, *, now: int) -> int:
    """The agent has seen the notes of a conversation; returns how many mentions were unread."""
    unread = (
        mention.c.conversation_id == conversation_id,
        mention.c.agent_id == who.id,
        mention.c.read_at.is_(None),
    )
    return connection.execute(update(mention).where(*unread).values(read_at=now)).rowcount


def latest(connection: Connection, who: Agent) -> list[Mention]:
    """Mentions of the agent, unread ones first, then the newest; at most `MOST_LISTED`."""
    rows = connection.execute(
        select(
            mention.c.note_id,
            mention.c.conversation_id,
            mention.c.at,
            mention.c.read_at,
            note.c.body,
            agents.c.name.label("writer"),
            contact.c.id.label("contact_id"),
            contact.c.name.label("contact_name"),
        )
        .join(note, note.c.id == mention.c.note_id)
        .join(agents, agents.c.id == note.c.agent_id)
        .join(conversation, conversation.c.id == mention.c.conversation_id)
        .join(contact, contact.c.id == conversation.c.contact_id)
        .where(mention.c.agent_id == who.id)
        .order_by(mention.c.read_at.is_not(None), mention.c.at.desc(), mention.c.note_id.desc())
        .limit(MOST_LISTED)
    )
    return [
        Mention(
            note=row.note_id,
            conv=row.conversation_id,
            name=display_name(row.contact_name, row.contact_id),
            agent=row.writer,
            body=row.body[:PREVIEW],
            at=row.at,
            read=row.read_at is not None,
        )
        for row in rows
    ]


def unread_count(connection: Connection, who: Agent) -> int:
    """How many mentions the agent has not read."""
    mine = select(func.count()).select_from(mention)
    return int(connection.execute(mine.where(mention.c.agent_id == who.id, mention.c.read_at.is_(None))).scalar_one())


def names_of(connection: Connection, note_ids: Sequence[str]) -> dict[str, list[str]]:
    """Names of those whom each note speaks to, by note."""
    found: dict[str, list[str]] = {}
    rows = connection.execute(
        select(mention.c.note_id, agents.c.name)
        .join(agents, agents.c.id == mention.c.agent_id)
        .where(mention.c.note_id.in_(note_ids))
        .order_by(agents.c.name)
    )
    for row in rows:
        found.setdefault(row.note_id, []).append(row.name)
    return found
