"""Log-in sessions of agents and one-time tickets for their sockets. Only hashes of tokens are stored."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, insert, select

from assistant.errors import NotAllowed
from assistant.identity.agents import Agent, to_agent
from assistant.storage.tables import agent, agent_session, socket_ticket

TICKET_MS: Final = 30_000


@dataclass(frozen=True, slots=True)
class Session:
    """A live log-in. `token_hash` names it inside the server and is no secret."""

    agent: Agent
    csrf: str
    token_hash: str
    expires_at: int


def hash_token(token: str) -> str:
    """What is stored of a token: its SHA-256. Tokens have 256 random bits, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def start(connection: Connection, who: Agent, *, now: int, life_ms: int) -> tuple[str, Session]:
    """Starts a session; returns the token for the cookie, which is not kept. Sweeps away sessions that have run out."""
    connection.execute(delete(agent_session).where(agent_session.c.expires_at <= now))
    token = secrets.token_urlsafe(32)
    session = Session(who, secrets.token_urlsafe(24), hash_token(token), now + life_ms)
    connection.execute(
        insert(agent_session).values(
            token_hash=session.token_hash,
            agent_id=who.id,
            csrf=session.csrf,
            created_at=now,
            expires_at=session.expires_at,
        )
    )
    return token, session


def find(connection: Connection, token_hash: str, *, now: int) -> Session:
    """The live session with this hash, its agent as the database has it now.

    Raises NotAllowed when it is unknown, has run out, was ended, or its agent is disabled.
    """
    row = (
        connection.execute(
            select(agent, agent_session.c.csrf, agent_session.c.expires_at)
            .join(agent_session, agent_session.c.agent_id == agent.c.id)
            .where(
                agent_session.c.token_hash == token_hash,
                agent_session.c.expires_at > now,
                agent.c.disabled.is_(False),
            )
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise NotAllowed("please log in")
    return Session(to_agent(row), row["csrf"], token_hash, row["expires_at"])


def end(connection: Connection, token_hash: str) -> None:
    """Ends a session; its tickets go with it. Publish `agent:<id>` afterwards, so that its sockets close."""
    connection.execute(delete(agent_session).where(agent_session.c.token_hash == token_hash))


def issue_ticket(connection: Connection, session: Session, *, now: int) -> str:
    """A ticket for one socket, good once and for 30 s."""
    connection.execute(delete(socket_ticket).where(socket_ticket.c.expires_at <= now))
    ticket = secrets.token_urlsafe(32)
    connection.execute(
        insert(socket_ticket).values(
            ticket_hash=hash_token(ticket), session_hash=session.token_hash, expires_at=now + TICKET_MS
        )
    )
    return ticket


def redeem_ticket(connection: Connection, ticket: str, *, now: int) -> Session:
    """The session that a ticket was made for; the ticket is used up. Raises NotAllowed: unknown, used, or run out."""
    row = connection.execute(
        delete(socket_ticket)
        .where(socket_ticket.c.ticket_hash == hash_token(ticket))
        .returning(socket_ticket.c.session_hash, socket_ticket.c.expires_at)
    ).first()
    if row is None or row.expires_at <= now:
        raise NotAllowed("the ticket is not valid")
    return find(connection, row.session_hash, now=now)
