"""The event store: appends and reads events of a conversation. Plain functions of a Connection, for `Storage.write` and `read`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, RowMapping, String, bindparam, insert, select, update

from assistant.errors import Conflict, Forbidden
from assistant.ids import new_id
from assistant.storage import fulltext
from assistant.storage.prepared import Prepared
from assistant.storage.tables import conversation, event

# What every message runs through is built once: making a statement anew costs more than running it.
_CONV: Final[BindParameter[str]] = bindparam("the_conversation", type_=String)
_FIND: Final = select(conversation).where(conversation.c.id == _CONV)
_FIND_HELD: Final = _FIND.with_for_update()
_SENT: Final = select(event).where(
    event.c.conversation_id == _CONV, event.c.sender == bindparam("the_sender"), event.c.cmid == bindparam("the_cmid")
)
_NEXT_SEQ: Final = Prepared(
    update(conversation)
    .where(conversation.c.id == _CONV)
    .values(head=conversation.c.head + 1, updated_at=bindparam("the_time"))
    .returning(conversation.c.head)
)
_SENT_AS: Final = Prepared(
    select(event.c.seq, event.c.id, event.c.kind, event.c.body).where(
        event.c.conversation_id == _CONV,
        event.c.sender == bindparam("the_sender"),
        event.c.cmid == bindparam("the_cmid"),
    )
)
_ADD: Final = Prepared(insert(event))
_READ: Final = (
    select(event)
    .where(event.c.conversation_id == _CONV, event.c.seq > bindparam("the_cursor"))
    .order_by(event.c.seq)
    .limit(bindparam("the_limit"))
)


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
    connection: Connection,
    *,
    site_id: str,
    contact_id: str,
    locale: str,
    now: int,
    channel: str = "web",
    conversation_id: str | None = None,
    epoch: str | None = None,
) -> str:
    """Starts an empty conversation and returns its id. `conversation_id` and `epoch`: those that were promised to a client."""
    conversation_id = conversation_id or new_id()
    connection.execute(
        insert(conversation).values(
            id=conversation_id,
            site_id=site_id,
            contact_id=contact_id,
            epoch=epoch or new_id(),
            locale=locale,
            channel=channel,
            created_at=now,
            updated_at=now,
        )
    )
    return conversation_id


def get(
    connection: Connection,
    conversation_id: str,
    *,
    site_id: str,
    contact_id: str | None = None,
    for_update: bool = False,
) -> RowMapping:
    """The conversation's row. Raises Forbidden, the same for absent and foreign ones.

    `for_update` keeps other writers off it until the end of the transaction, where the database has more than one.
    """
    query = _FIND_HELD if for_update else _FIND
    row = connection.execute(query, {"the_conversation": conversation_id}).mappings().first()
    if row is None or row["site_id"] != site_id or contact_id not in (None, row["contact_id"]):
        raise Forbidden("no such conversation")
    return row


def find(connection: Connection, conversation_id: str) -> RowMapping | None:
    """The conversation's row, whoever's it is."""
    return connection.execute(_FIND, {"the_conversation": conversation_id}).mappings().first()


def latest_open(connection: Connection, *, site_id: str, contact_id: str) -> RowMapping | None:
    """The contact's newest conversation that is not resolved."""
    query = (
        select(conversation)
        .where(
            conversation.c.contact_id == contact_id,
            conversation.c.site_id == site_id,
            conversation.c.status != "resolved",
        )
        .order_by(conversation.c.created_at.desc(), conversation.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).mappings().first()


def heads(connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    """(epoch, last seq) of those of `ids` that exist."""
    query = select(conversation.c.id, conversation.c.epoch, conversation.c.head).where(conversation.c.id.in_(ids))
    return {row.id: (row.epoch, row.head) for row in connection.execute(query)}


def rate(connection: Connection, conversation_id: str, score: int) -> None:
    """Notes the contact's rating, 1 to 5, for lists; the truth is in the log."""
    connection.execute(update(conversation).where(conversation.c.id == conversation_id).values(csat=score))


def resolve(connection: Connection, conversation_id: str, *, now: int) -> None:
    """Ends a conversation; the `resolved` event is the caller's."""
    connection.execute(
        update(conversation)
        .where(conversation.c.id == conversation_id)
        .values(status="resolved", resolved_at=now, updated_at=now)
    )


def mark_seen(connection: Connection, conversation_id: str, seq: int) -> None:
    """The contact has seen everything up to `seq`; never goes back, never beyond the last event."""
    connection.execute(
        update(conversation)
        .where(conversation.c.id == conversation_id, conversation.c.seen_seq < seq, conversation.c.head >= seq)
        .values(seen_seq=seq)
    )


def append(connection: Connection, conversation_id: str, new: NewEvent, *, now: int, held: bool = False) -> Appended:
    """Appends one event with the next seq.

    A known (sender, cmid) gives the old seq with dup=True when kind and body are the same, and raises
    Conflict(code="cmid_conflict") when they differ. Raises Forbidden when there is no such conversation. Seq is gapless: it is
    counted in the conversation's row, which this transaction holds from here on. `held`: `get(for_update=True)` has seen to that.
    """
    if not held:
        _hold(connection, conversation_id)
    if new.cmid is not None:
        known = _SENT_AS.first(connection, the_conversation=conversation_id, the_sender=new.sender, the_cmid=new.cmid)
        if known is not None:
            seq, event_id, kind, body = known
            if (kind, body) != (new.kind, new.body):
                raise Conflict("this cmid was used for another message", code="cmid_conflict")
            return Appended(seq, event_id, dup=True)
    head = _NEXT_SEQ.first(connection, the_conversation=conversation_id, the_time=now)
    if head is None:
        raise Forbidden("no such conversation")
    event_id = new_id()
    _ADD.run(
        connection,
        conversation_id=conversation_id,
        seq=head[0],
        id=event_id,
        sender=new.sender,
        kind=new.kind,
        cmid=new.cmid,
        reply_to=new.reply_to,
        body=new.body,
        data=dict(new.data),
        at=now,
    )
    if new.body is not None:
        fulltext.add(connection, conversation_id, head[0], new.body)
    return Appended(head[0], event_id, dup=False)


def _hold(connection: Connection, conversation_id: str) -> None:
    """Keeps other writers off the conversation, so that two of them cannot both find a cmid unknown. SQLite has one writer."""
    if connection.dialect.name != "sqlite":
        connection.execute(_FIND_HELD, {"the_conversation": conversation_id})


def read(connection: Connection, conversation_id: str, *, after: int = 0, limit: int = 500) -> Sequence[RowMapping]:
    """Events with seq > after, ascending, at most `limit`."""
    parameters = {"the_conversation": conversation_id, "the_cursor": after, "the_limit": limit}
    return connection.execute(_READ, parameters).mappings().all()


def read_before(
    connection: Connection, conversation_id: str, *, before: int | None = None, limit: int = 50
) -> tuple[Sequence[RowMapping], bool]:
    """A page of history: the newest `limit` events with seq < `before`, ascending, and whether there are older ones."""
    query = select(event).where(event.c.conversation_id == conversation_id)
    if before is not None:
        query = query.where(event.c.seq < before)
    rows = connection.execute(query.order_by(event.c.seq.desc()).limit(limit + 1)).mappings().all()
    return list(reversed(rows[:limit])), len(rows) > limit


def find_sent(connection: Connection, conversation_id: str, sender: str, cmid: str) -> RowMapping | None:
    """The event that `sender` sent under `cmid`."""
    parameters = {"the_conversation": conversation_id, "the_sender": sender, "the_cmid": cmid}
    return connection.execute(_SENT, parameters).mappings().first()


def last_of_kind(connection: Connection, conversation_id: str, kind: str) -> RowMapping | None:
    """The newest event of a kind."""
    query = select(event).where(event.c.conversation_id == conversation_id, event.c.kind == kind)
    return connection.execute(query.order_by(event.c.seq.desc()).limit(1)).mappings().first()
