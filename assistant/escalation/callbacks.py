"""Call-backs: an address that a contact left when nobody was there, until somebody has called. Plain functions of a Connection.

A call-back stands on its own: the conversation may end, or an agent may come after all, and the promise is still to be kept. It is
kept apart from the events, so that an address is in one place only, and goes with the conversation when that is erased.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final, Literal

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from assistant.conversations import store as conversations
from assistant.conversations.contacts import display_name
from assistant.conversations.store import NewEvent
from assistant.errors import Conflict
from assistant.escalation.frames import CallbackCard
from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.storage.tables import agent as agents
from assistant.storage.tables import callback, contact, conversation

Result = Literal["take", "done", "not_reached"]
HOLD_MS: Final = 30 * 60_000  # who takes a call-back has it to themselves for so long
MOST_ATTEMPTS: Final = 3  # not reached so many times, it is over
MOST_LISTED: Final = 50


@dataclass(frozen=True, slots=True)
class Wish:
    """How and when a contact wants to be called back; at least one of `email` and `phone`.

    `suits` is in the contact's words, `timezone` the name of their browser's zone.
    """

    email: str | None = None
    phone: str | None = None
    suits: str | None = None
    timezone: str | None = None


def ask(connection: Connection, row: RowMapping, wish: Wish, *, now: int) -> int:
    """Keeps an address to call back, once a conversation: asked again, the newer wish counts. Returns the seq of its event.

    `row`: the contact's conversation, held for update. Raises Conflict `closed`, and `not_offered` where no call-back was offered.
    """
    if row["status"] == "resolved":
        raise Conflict("the conversation is over", code="closed")
    offered = conversations.last_of_kind(connection, row["id"], "waiting")
    if offered is None or not offered["data"].get("callback"):
        raise Conflict("no call-back was offered here", code="not_offered")
    changed = connection.execute(
        update(callback)
        .where(callback.c.conversation_id == row["id"], callback.c.state == "open")
        .values(**asdict(wish), consent_at=now)
    ).rowcount
    if changed:
        asked = conversations.last_of_kind(connection, row["id"], "callback")
        return int(row["head"] if asked is None else asked["seq"])
    connection.execute(
        insert(callback).values(
            id=new_id(),
            site_id=row["site_id"],
            conversation_id=row["id"],
            consent_at=now,
            created_at=now,
            **asdict(wish),
        )
    )
    return conversations.append(connection, row["id"], NewEvent("contact", "callback"), now=now).seq


def report(connection: Connection, who: Agent, callback_id: str, result: Result, *, now: int) -> None:
    """An agent takes a call-back, has reached the contact, or has not; after `MOST_ATTEMPTS` tries it is over.

    Raises Conflict `gone` (over, absent or another shop's) and `taken` (a colleague is at it).
    """
    query = select(callback).where(
        callback.c.id == callback_id, callback.c.site_id == who.site_id, callback.c.state == "open"
    )
    row = connection.execute(query.with_for_update()).mappings().one_or_none()
    if row is None:
        raise Conflict("no such call-back", code="gone")
    if row["agent_id"] != who.id and (row["taken_until"] or 0) > now:
        raise Conflict("a colleague is at it", code="taken")
    values: dict[str, object] = {"agent_id": who.id, "taken_until": now + HOLD_MS if result == "take" else None}
    if result == "done":
        values |= {"state": "done", "done_at": now, "tried_at": now}
    elif result == "not_reached":
        attempts = row["attempts"] + 1
        values |= {"attempts": attempts, "tried_at": now}
        if attempts >= MOST_ATTEMPTS:
            values |= {"state": "not_reached", "done_at": now}
    connection.execute(update(callback).where(callback.c.id == callback_id).values(**values))


def waiting(connection: Connection, site_id: str, *, now: int) -> list[CallbackCard]:
    """Open call-backs of a shop: those not tried yet first, then the oldest; at most `MOST_LISTED`."""
    rows = connection.execute(
        select(
            callback,
            agents.c.name.label("agent_name"),
            contact.c.id.label("contact_id"),
            contact.c.name.label("contact_name"),
            conversation.c.locale,
        )
        .join(conversation, conversation.c.id == callback.c.conversation_id)
        .join(contact, contact.c.id == conversation.c.contact_id)
        .join(agents, agents.c.id == callback.c.agent_id, isouter=True)
        .where(callback.c.site_id == site_id, callback.c.state == "open")
        .order_by(callback.c.attempts, callback.c.created_at, callback.c.id)
        .limit(MOST_LISTED)
    ).mappings()
    return [
        CallbackCard(
            id=row["id"],
            conv=row["conversation_id"],
            name=display_name(row["contact_name"], row["contact_id"]),
            locale=row["locale"],
            email=row["email"],
            phone=row["phone"],
            suits=row["suits"],
            timezone=row["timezone"],
            attempts=row["attempts"],
            tried_at=row["tried_at"],
            agent=row["agent_name"],
            agent_id=row["agent_id"],
            taken=(row["taken_until"] or 0) > now,
            at=row["created_at"],
        )
        for row in rows
    ]


def count(connection: Connection, site_id: str) -> int:
    """How many call-backs of a shop are open."""
    query = select(func.count()).select_from(callback).where(callback.c.site_id == site_id, callback.c.state == "open")
    return int(connection.execute(query).scalar_one())
