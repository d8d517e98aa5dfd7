"""The event store: appends and reads events of a conversation. Plain functions of a Connection, for `Storage.write` and `read`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from assistant.errors import Conflict, Forbidden
from assistant.ids import new_id
from assistant.storage.tables import conversation, event


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. `sender` is 'contact', 'bot', 'system' or 'agent:<id>'."""

    sender: str
    kind: str
    body: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    cmid: str | None = None
    reply_to: int | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an event stands. `dup`: it was there already, stored once."""

    seq: int
    id: str
    dup: bool


def open_conversation(
    connection: Connection, *, site_id: str, contact_id: str, locale: str, now: int, channel: str = "web"
) -> str:
    """Starts an empty conversation and returns its id."""
    conversation_id = new_id()
    connection.execute(
        insert(conversation).values(
            id=conversation_id,
            site_id=site_id,
            contact_id=contact_id,
            epoch=new_id(),
            locale=locale,
            channel=channel,
            created_at=now,
            updated_at=now,
        )
    )
    return conversation_id


def get(connection: Connection, conversation_id: str, *, site_id: str, contact_id: str | None = None) -> RowMapping:
    """The conversation's row. Raises Forbidden, the same for absent and foreign ones."""
    query = select(conversation).where(conversation.c.id == conversation_id, conversation.c.site_id == site_id)
    if contact_id is not None:
        query = query.where(conversation.c.contact_id == contact_id)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise Forbidden("no such conversation")
    return row


def append(connection: Connection, conversation_id: str, new: NewEvent, *, now: int) -> Appended:
    """Appends one event with the next seq.

    A known (sender, cmid) gives the old seq with dup=True when kind and body are the same, and raises
    Conflict(code="cmid_conflict") when they differ. The caller's transaction holds the writer, so seq is gapless.
    """
    if new.cmid is not None:
        known = connection.execute(
            select(event.c.seq, event.c.id, event.c.kind, event.c.body).where(
                event.c.conversation_id == conversation_id, event.c.sender == new.sender, event.c.cmid == new.cmid
            )
        ).first()
        if known is not None:
            if (known.kind, known.body) != (new.kind, new.body):
                raise Conflict("this cmid was used for another message", code="cmid_conflict")
            return Appended(known.seq, known.id, dup=True)
    seq = connection.execute(
        update(conversation)
        .where(conversation.c.id == conversation_id)
        .values(head=conversation.c.head + 1, updated_at=now)
        .returning(conversation.c.head)
    ).scalar_one()
    event_id = new_id()
    connection.execute(
        insert(event).values(
            conversation_id=conversation_id,
            seq=seq,
            id=event_id,
            sender=new.sender,
            kind=new.kind,
            cmid=new.cmid,
            reply_to=new.reply_to,
            body=new.body,
            data=dict(new.data),
            at=now,
        )
    )
    return Appended(seq, event_id, dup=False)


def read(connection: Connection, conversation_id: str, *, after: int = 0, limit: int = 500) -> Sequence[RowMapping]:
    """Events with seq > after, ascending, at most `limit`."""
    return (
        connection.execute(
            select(event)
            .where(event.c.conversation_id == conversation_id, event.c.seq > after)
            .order_by(event.c.seq)
            .limit(limit)
        )
        .mappings()
        .all()
    )
