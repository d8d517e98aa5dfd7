"""Erasures, dossiers and log-outs for commands and for the shop's server: list, database, the word to everybody, the files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from assistant.bus.hints import Bus
from assistant.erasure import dossier
from assistant.erasure.erase import Erased, conversations_of, erase_contact, find_contact
from assistant.erasure.learnt import erase_learnt
from assistant.erasure.ledger import Ledger
from assistant.erasure.pages import forget_pages
from assistant.identity import audit, revocation, widget
from assistant.storage.engine import Storage


@dataclass(frozen=True, slots=True)
class Privacy:
    """What a person may ask of a shop. `clock` gives UTC ms."""

    storage: Storage
    bus: Bus
    clock: Callable[[], int]
    data_dir: Path

    async def erase(self, site_id: str, who: str, *, actor: str) -> Erased:
        """Erases the contact that `who` names (`find_contact`), in training sets too. Raises NotFound, BadInput, Unavailable."""
        contact_id = await self.storage.read(lambda connection: find_contact(connection, site_id, who))
        now = self.clock()
        await asyncio.to_thread(Ledger(self.data_dir).add, site_id, contact_id, now=now)
        # Before the database: while it still knows whose conversations they are, doing it again finds what a crash left.
        theirs = await self.storage.read(lambda connection: conversations_of(connection, contact_id))
        await asyncio.to_thread(erase_learnt, self.data_dir, theirs, now=now)
        erased = await self.storage.write(
            lambda connection: erase_contact(connection, contact_id, site_id=site_id, actor=actor, now=now)
        )
        await asyncio.to_thread(erase_learnt, self.data_dir, theirs, now=now)
        for conversation_id in erased.conversations:
            self.bus.publish(f"conv:{conversation_id}")
        self.bus.publish(f"desk:{site_id}")
        self.bus.publish(revocation.TOPIC)
        await asyncio.to_thread(forget_pages, self.storage.url)
        return erased

    async def dossier(self, site_id: str, who: str, *, actor: str) -> dict[str, Any]:
        """All that is kept of the contact, and the audit row that says so. Raises NotFound, BadInput."""
        now = self.clock()

        def work(connection: Connection) -> tuple[str, dict[str, Any]]:
            contact_id = find_contact(connection, site_id, who)
            return contact_id, dossier.build(connection, contact_id, site_id=site_id, now=now)

        contact_id, document = await self.storage.read(work)
        await self.storage.write(lambda connection: dossier.note_made(connection, contact_id, actor=actor, now=now))
        return document

    async def log_out(self, site_id: str, who: str, *, actor: str) -> int:
        """Ends a customer's chats, because the shop's log-out did; returns how many tokens that were. Raises NotFound, BadInput."""
        now = self.clock()

        def work(connection: Connection) -> int:
            contact_id = find_contact(connection, site_id, who)
            ended = widget.revoke(connection, contact_id)
            revocation.note(connection)
            audit.record(connection, actor=actor, action="contact_logout", object=contact_id, now=now)
            return ended

        ended = await self.storage.write(work)
        self.bus.publish(revocation.TOPIC)
        return ended
