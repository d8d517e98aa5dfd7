"""Who is here: a heartbeat renews an agent's lease; without it the agent counts as gone, whatever the state says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select, update

from assistant.escalation.frames import Presence
from assistant.storage.tables import presence

LEASE_MS: Final = 30_000  # three heartbeats
GRACE_MS: Final = 60_000  # after the lease, before the agent's conversations go back into the queue


@dataclass(frozen=True, slots=True)
class Here:
    """An agent's presence. Without a live lease nobody is 'available'."""

    state: Presence
    lease_until: int

    def seen_as(self, now: int) -> Presence:
        """The state as others should see it."""
        return self.state if self.lease_until > now else "offline"


def beat(connection: Connection, agent_id: str, *, now: int, state: Presence | None = None) -> Here:
    """Renews the lease; with `state`, sets that too. An agent who was never here, or signed off, becomes available."""
    row = connection.execute(select(presence.c.state).where(presence.c.agent_id == agent_id)).first()
    lease_until = now + LEASE_MS
    if row is None:
        chosen: Presence = state or "available"
        connection.execute(
            insert(presence).values(agent_id=agent_id, state=chosen, heartbeat_at=now, lease_until=lease_until)
        )
    else:
        chosen = state or row.state
        connection.execute(
            update(presence)
            .where(presence.c.agent_id == agent_id)
            .values(state=chosen, heartbeat_at=now, lease_until=lease_until)
        )
    return Here(chosen, lease_until)


def arrive(connection: Connection, agent_id: str, *, now: int) -> Here:
    """A console was opened: whoever was away stays away, whoever was offline is available."""
    before = here(connection, agent_id)
    return beat(connection, agent_id, now=now, state="available" if before.seen_as(now) == "offline" else None)


def sign_off(connection: Connection, agent_id: str, *, now: int) -> None:
    """The agent logged out: the lease ends now. What the agent holds goes back into the queue after the grace time."""
    connection.execute(
        update(presence)
        .where(presence.c.agent_id == agent_id)
        .values(state="offline", heartbeat_at=now, lease_until=now)
    )


def here(connection: Connection, agent_id: str) -> Here:
    """The agent's presence as stored; offline when there is none."""
    row = connection.execute(
        select(presence.c.state, presence.c.lease_until).where(presence.c.agent_id == agent_id)
    ).first()
    return Here("offline", 0) if row is None else Here(row.state, row.lease_until)
