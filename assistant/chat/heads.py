"""Looks every 2 s whether followed conversations have moved on, for hints that were lost on the way between workers.

One query for hundreds of conversations, however many connections follow them: an idle connection costs next to nothing.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import structlog

from assistant.bus.hints import Subscription
from assistant.conversations import store
from assistant.errors import Unavailable
from assistant.storage.engine import Storage

log = structlog.get_logger()

INTERVAL_S: Final = 2.0
CHUNK: Final = 500


class Heads:
    """Followed conversations and how far each was when last looked at."""

    def __init__(self, storage: Storage, interval_s: float = INTERVAL_S) -> None:
        self._storage = storage
        self._interval_s = interval_s
        self._followers: dict[str, set[Subscription]] = {}
        self._known: dict[str, tuple[str, int] | None] = {}
        self._looking: asyncio.Task[None] | None = None

    def follow(self, conversation_id: str, subscription: Subscription) -> None:
        """Hints `conv:<id>` to `subscription` when the conversation has moved on, changed its epoch, or is gone."""
        self._followers.setdefault(conversation_id, set()).add(subscription)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_on(), name="chat-heads")

    def unfollow(self, conversation_id: str, subscription: Subscription) -> None:
        """Ends `follow`."""
        followers = self._followers.get(conversation_id, set())
        followers.discard(subscription)
        if not followers:
            self._followers.pop(conversation_id, None)
            self._known.pop(conversation_id, None)

    async def _look_on(self) -> None:
        while self._followers:
            await asyncio.sleep(self._interval_s)
            try:
                await self._look()
            except Unavailable as error:
                log.warning("heads_not_read", reason=error.reason)

    async def _look(self) -> None:
        ids = list(self._followers)
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            found = await self._storage.read(partial(store.heads, ids=chunk))
            for conversation_id in chunk:
                head = found.get(conversation_id)
                # The first look hints in any case: the conversation may have moved on since its follower read it.
                moved = conversation_id not in self._known or self._known[conversation_id] != head
                self._known[conversation_id] = head
                if not moved:
                    continue
                for subscription in self._followers.get(conversation_id, ()):
                    subscription.hint(f"conv:{conversation_id}")
