"""Access that is taken back while somebody uses it: a log-out, a person who leaves, a site key that is withdrawn, an erasure.

Whoever takes access back says so in the same transaction (`note`), by raising a count in the database. Every worker looks at the
count once a second, and at once when the bus hints at it; when it has changed, all live connections are checked against the
database. So a command on the same machine, or a server on another one, closes sockets here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import structlog
from sqlalchemy import Connection, select, text

from assistant.bus.hints import Bus
from assistant.errors import Unavailable
from assistant.storage.engine import Storage
from assistant.storage.tables import contact, meta, widget_token
from assistant.wire import Close

TOPIC: Final = "access"
INTERVAL_S: Final = 1.0
CHUNK: Final = 500
ERASED: Final = "erased_at"  # attribute of a contact of whom nothing else is left

_COUNT: Final = text(
    "INSERT INTO meta (key, value) VALUES ('access', '1') "
    "ON CONFLICT (key) DO UPDATE SET value = CAST(CAST(meta.value AS INTEGER) + 1 AS TEXT)"
)

log = structlog.get_logger()


def note(connection: Connection) -> None:
    """Says, in this transaction, that access was taken back. Publish TOPIC after its commit where there is a bus."""
    connection.execute(_COUNT)


def count(connection: Connection) -> int:
    """How often access was taken back so far."""
    return int(connection.execute(select(meta.c.value).where(meta.c.key == "access")).scalar() or 0)


def lapsed(connection: Connection, held: Mapping[str, str], *, now: int) -> dict[str, int]:
    """Widget tokens that are no longer good, with the code to close their connections with. `held`: token's hash → contact."""
    good: set[str] = set()
    for chunk in _chunks(held):
        found = select(widget_token.c.token_hash).where(
            widget_token.c.token_hash.in_(chunk), widget_token.c.expires_at > now
        )
        good.update(connection.execute(found).scalars())
    gone = {token_hash: contact_id for token_hash, contact_id in held.items() if token_hash not in good}
    erased: set[str] = set()
    for chunk in _chunks(set(gone.values())):
        rows = connection.execute(select(contact.c.id, contact.c.attributes).where(contact.c.id.in_(chunk)))
        erased.update(row.id for row in rows if ERASED in row.attributes)
    return {
        token_hash: Close.ERASED if contact_id in erased else Close.TOKEN for token_hash, contact_id in gone.items()
    }


def _chunks(items: Iterable[str]) -> Iterable[list[str]]:
    listed = list(items)
    return (listed[start : start + CHUNK] for start in range(0, len(listed), CHUNK))


class AccessWatch:
    """Calls every check whenever access was taken back somewhere."""

    def __init__(
        self,
        storage: Storage,
        bus: Bus,
        checks: Iterable[Callable[[], Awaitable[None]]],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._storage = storage
        self._bus = bus
        self._checks = tuple(checks)
        self._interval_s = interval_s

    async def run(self) -> None:
        """Watches until cancelled."""
        with self._bus.subscribe(TOPIC) as subscription:
            seen: int | None = None
            again = False
            while True:
                try:
                    current = await self._storage.read(count)
                    changed = seen is not None and current != seen
                    if changed or again:
                        for check in self._checks:
                            await check()
                    # Checked once more: a connection may have been let in just before, and counted just after.
                    seen, again = current, changed
                except Unavailable as error:
                    log.warning("access_not_checked", reason=error.reason)
                await subscription.wait(self._interval_s)
