"""Hints that something changed. A hint carries no data and may be lost: whoever receives one reads the database again."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import TracebackType
from typing import Protocol, Self


class Bus(Protocol):
    """Publishes and subscribes hints. Topics: `conv:<id>`, `desk:<site>`, `turns`."""

    def publish(self, topic: str) -> None:
        """Tells every subscriber of `topic`. Never blocks, never fails."""
        ...

    def subscribe(self, *topics: str) -> Subscription:
        """Starts listening at once; hints are coalesced a topic."""
        ...


class Subscription:
    """Topics that changed since last asked. Bounded by the number of topics, however many hints arrive."""

    def __init__(self, bus: LocalBus, topics: tuple[str, ...]) -> None:
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self.topics: set[str] = set()
        for topic in topics:
            self.add(topic)

    def add(self, topic: str) -> None:
        """Also listen to `topic`."""
        self.topics.add(topic)
        self._bus.listeners[topic].add(self)

    def discard(self, topic: str) -> None:
        """Stop listening to `topic`."""
        self.topics.discard(topic)
        self._bus.listeners[topic].discard(self)
        if not self._bus.listeners[topic]:
            del self._bus.listeners[topic]

    async def wait(self, timeout_s: float) -> set[str]:
        """Topics that changed, at once if any did; empty after `timeout_s` seconds, when it is time to read again anyway."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return set()
        changed, self._changed = self._changed, set()
        self._wake.clear()
        return changed

    def close(self) -> None:
        """Stops listening."""
        for topic in tuple(self.topics):
            self.discard(topic)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def hint(self, topic: str) -> None:
        """Called by the bus, from any thread."""
        if asyncio._get_running_loop() is self._loop:
            self._mark(topic)
        else:
            self._loop.call_soon_threadsafe(self._mark, topic)

    def _mark(self, topic: str) -> None:
        self._changed.add(topic)
        self._wake.set()


class LocalBus:
    """The in-process bus: enough for one worker."""

    def __init__(self) -> None:
        self.listeners: defaultdict[str, set[Subscription]] = defaultdict(set)

    def publish(self, topic: str) -> None:
        """Tells every subscriber of `topic`."""
        for listener in tuple(self.listeners.get(topic, ())):
            listener.hint(topic)

    def subscribe(self, *topics: str) -> Subscription:
        """Starts listening."""
        return Subscription(self, topics)
