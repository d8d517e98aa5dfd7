"""Conversations as files: JSON lines in the form that `risk.conversation.data` reads, for training, labelling and review elsewhere.

Who speaks to whom is a role, the customer a keyed hash; what was written is redacted unless the caller wants it as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, RowMapping, select

from assistant.conversations.redaction import redact
from assistant.conversations.view import sender_kind
from assistant.storage.tables import contact, conversation, event

PAGE: Final = 200
_SAID: Final = ("message", "products", "offer")
_ROLES: Final = {"contact": "customer", "bot": "bot", "agent": "agent"}
_LEVELS: Final = {1: 0, 2: 0, 3: 1, 4: 2, 5: 2}  # stars: dissatisfied, neutral, satisfied


def spoken(connection: Connection, conversation_id: str, *, until: int | None = None) -> Sequence[RowMapping]:
    """What contact, assistant and agents said, in order: seq, sender, body, at. Without notes. `until`: UTC ms, inclusive."""
    query = select(event.c.seq, event.c.sender, event.c.body, event.c.at).where(
        event.c.conversation_id == conversation_id,
        event.c.body.is_not(None),
        event.c.kind.in_(_SAID),
        event.c.sender != "system",
    )
    if until is not None:
        query = query.where(event.c.at <= until)
    return connection.execute(query.order_by(event.c.seq)).mappings().all()


def export(
    connection: Connection,
    *,
    site_id: str,
    since: int | None = None,
    until: int | None = None,
    redacted: bool = True,
) -> Iterator[bytes]:
    """Lines, oldest conversation first. `since` (inclusive) and `until` (exclusive) are UTC ms of its beginning.

    A conversation in which nobody has said anything, or that was erased, is left out.
    """
    last = ""
    while True:
        query = (
            select(conversation.c.id, conversation.c.locale, conversation.c.csat, contact.c.customer_key)
            .join(contact, contact.c.id == conversation.c.contact_id)
            .where(conversation.c.site_id == site_id, conversation.c.id > last)
            .order_by(conversation.c.id)
            .limit(PAGE)
        )
        if since is not None:
            query = query.where(conversation.c.created_at >= since)
        if until is not None:
            query = query.where(conversation.c.created_at < until)
        rows = connection.execute(query).mappings().all()
        if not rows:
            return
        for row in rows:
            said = spoken(connection, row["id"])
            if said:
                yield orjson.dumps(_document(row, said, redacted), option=orjson.OPT_APPEND_NEWLINE)
        last = rows[-1]["id"]


def _document(row: RowMapping, said: Sequence[RowMapping], redacted: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": row["id"],
        "language": "zh" if row["locale"].lower().startswith("zh") else "en",
        "customer_id": row["customer_key"],
        "messages": [
            {
                "role": _ROLES[sender_kind(one["sender"])],
                "text": redact(one["body"]) if redacted else one["body"],
                "at_ms": one["at"],
            }
            for one in said
        ],
    }
    if row["csat"] is not None:
        document["satisfaction"] = _LEVELS[row["csat"]]
    return document
