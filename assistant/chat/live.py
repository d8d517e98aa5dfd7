"""The live connections of this worker: counted, limited, told when the worker goes away."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final, Protocol

from assistant.chat.heads import Heads
from assistant.chat.service import ChatDeps
from assistant.identity.revocation import lapsed
from assistant.identity.widget import Access
from assistant.limits import Allowance, Allowances
from assistant.wire import Close

MOST_UNGREETED: Final = 1_000  # sockets that have not said hello; each has 5 s for it


class Drainable(Protocol):
    """A connection, as far as the registry knows it."""

    @property
    def access(self) -> Access | None:
        """Who speaks, once a hello was accepted."""
        ...

    @property
    def address(self) -> str | None:
        """Where it comes from; None: not to be counted."""
        ...

    async def drain(self) -> None:
        """Tells the client that the server is going away."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Closes."""
        ...


class Live:
    """All chat connections of one worker."""

    def __init__(self, deps: ChatDeps) -> None:
        settings = deps.settings
        self._storage = deps.storage
        self._clock = deps.clock
        self.bus = deps.bus
        self.metrics = deps.metrics
        self.heads = Heads(deps.storage)
        self.allowances = Allowances(settings.messages_per_10s, settings.messages_per_minute_in_force)
        self._of_addresses = Allowances(settings.messages_per_minute_address, settings.messages_per_minute_address)
        self._of_sites = Allowances(settings.messages_per_minute_site, settings.messages_per_minute_site)
        self.draining = False
        self.sessions = Allowances(settings.sessions_per_minute, settings.sessions_per_minute)  # of addresses
        self._most_a_contact = settings.sockets_per_contact
        self._most_an_address = settings.sockets_per_address
        self._most_a_site = settings.sockets_per_site
        self._contacts: dict[Drainable, Access | None] = {}
        self._count: Counter[str] = Counter()  # by ids of contacts and of sites, which never meet, and by addresses
        self._greeted = 0

    def __len__(self) -> int:
        return len(self._contacts)

    @property
    def crowded(self) -> bool:
        """Whether so many sockets wait for their hello that no more should be accepted."""
        return len(self._contacts) - self._greeted >= MOST_UNGREETED

    def add(self, connection: Drainable) -> bool:
        """A socket was accepted; nobody has said yet who it is. Whether its address may have this one too."""
        address = connection.address
        if address is not None:
            if self._count[address] >= self._most_an_address:
                return False
            self._count[address] += 1
        self._contacts[connection] = None
        self.metrics.connections.set(len(self._contacts))
        return True

    def admit(self, connection: Drainable, access: Access) -> bool:
        """Whether the contact and its site may have this connection too, beside those they have. Also when a connection changes
        its contact."""
        before = self._contacts.get(connection)
        if before is not None and before.contact_id == access.contact_id:
            return True
        full = self._count[access.contact_id] >= self._most_a_contact
        if full or (before is None and self._count[access.site_id] >= self._most_a_site):
            return False
        self._release(before)
        self._contacts[connection] = access
        self._count.update((access.contact_id, access.site_id))
        self._greeted += 1
        return True

    def allowance(self, connection: Drainable, access: Access, now: int) -> Allowance:
        """What the connection may send: within what its contact, its site and its address may. `now`: monotonic ms."""
        around = [self._of_sites.of(access.site_id, now)]
        if connection.address is not None:
            around.append(self._of_addresses.of(connection.address, now))
        return self.allowances.of(access.contact_id, now).within(*around)

    def discard(self, connection: Drainable) -> None:
        """It is over."""
        if connection not in self._contacts:
            return
        self._release(self._contacts.pop(connection))
        if connection.address is not None:
            self._drop(connection.address)
        self.metrics.connections.set(len(self._contacts))

    async def drain(self, grace_s: float = 2.0) -> None:
        """Tells every client to come back elsewhere, gives them `grace_s` seconds to leave, and closes the rest with 1012."""
        self.draining = True
        await asyncio.gather(*(connection.drain() for connection in tuple(self._contacts)))
        for _ in range(20):
            if not self._contacts:
                return
            await asyncio.sleep(grace_s / 20)
        await asyncio.gather(*(connection.close(Close.DEPLOY, "going away") for connection in tuple(self._contacts)))

    async def recheck(self) -> None:
        """Closes the connections whose access was taken back meanwhile."""
        speaking = [(connection, connection.access) for connection in self._contacts]
        held = {access.token_hash: access.contact_id for _, access in speaking if access is not None}
        now = self._clock()
        gone = await self._storage.read(lambda connection: lapsed(connection, held, now=now))
        await asyncio.gather(
            *(
                connection.close(gone[access.token_hash], "access was taken back")
                for connection, access in speaking
                if access is not None and access.token_hash in gone
            )
        )

    def _release(self, access: Access | None) -> None:
        if access is None:
            return
        self._greeted -= 1
        self._drop(access.contact_id)
        self._drop(access.site_id)

    def _drop(self, counted: str) -> None:
        self._count[counted] -= 1
        if self._count[counted] <= 0:
            del self._count[counted]
