"""Hints that something changed, and signals that pass by.

A hint carries no data and may be lost: whoever receives one reads the database again. A signal carries a small payload that is
stored nowhere (typing, seen, a piece of a reply): whoever misses it misses nothing that matters.

Signals on `conv:<id>`:
    {"t": "typing", "from": "contact" | "bot" | "agent", "on": bool, "name"?: str}
    {"t": "seen", "by": "contact" | "agent", "seq": int}
    {"t": "part", "reply_to": int, "n": int, "body": str}
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

MAX_SIGNALS: Final = 64  # waiting in one subscription; the oldest is dropped

Signal = Mapping[str, Any]
T = TypeVar("T")


class Bus(Protocol):
    """Publishes and subscribes hints. Topics: `conv:<id>`, `desk:<site>`, `turns`."""

    def publish(self, topic: str) -> None:
        """Tells every subscriber of `topic`. Never blocks, never fails."""
        ...

    def signal(self, topic: str, payload: Signal) -> None:
        """Passes a lossy payload to every subscriber of `topic`. Never blocks, never fails, keeps nothing."""
        ...

    def subscribe(self, *topics: str) -> Subscription:
        """Starts listening at once; hints are coalesced a topic, signals are kept in order, the newest 64."""
        ...


class Subscription:
    """Topics that changed since last asked, and signals that came by. Bounded, however much arrives."""

    def __init__(self, bus: LocalBus, topics: tuple[str, ...]) -> None:
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._changed: set[str] = set()
        # Thousands of subscriptions wait at once: a deque or an Event for each would weigh more than all the rest of it.
        self._signals: deque[Signal] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._woken = False  # since the last wait
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
        """Topics that changed, at once if any did.

        Empty after `timeout_s` seconds, when it is time to read again anyway, and when only signals woke it (see `drain`).
        """
        if not self._woken:
            self._waiter = self._loop.create_future()
            try:
                async with asyncio.timeout(timeout_s):
                    await self._waiter
            except TimeoutError:
                return set()
            finally:
                self._waiter = None
        self._woken = False
        changed, self._changed = self._changed, set()
        return changed

    def drain(self) -> list[Signal]:
        """Signals since last asked, oldest first, each with its `topic` added to the payload."""
        signals, self._signals = self._signals, None
        return list(signals or ())

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
        self._on_loop(self._mark, topic)

    def pass_on(self, signal: Signal) -> None:
        """Called by the bus, from any thread."""
        self._on_loop(self._keep, signal)

    def _on_loop(self, call: Callable[[T], None], value: T) -> None:
        if asyncio._get_running_loop() is self._loop:
            call(value)
            return
        with suppress(RuntimeError):  # the subscriber's loop has ended: nobody is left to tell
            self._loop.call_soon_threadsafe(call, value)

    def _mark(self, topic: str) -> None:
        self._changed.add(topic)
        self._wake()

    def _keep(self, signal: Signal) -> None:
        if self._signals is None:
            self._signals = deque(maxlen=MAX_SIGNALS)
        self._signals.append(signal)
        self._wake()

    def _wake(self) -> None:
        self._woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class LocalBus:
    """The in-process bus: enough for one worker."""

    def __init__(self) -> None:
        self.listeners: defaultdict[str, set[Subscription]] = defaultdict(set)

    def publish(self, topic: str) -> None:
        """Tells every subscriber of `topic`."""
        for listener in tuple(self.listeners.get(topic, ())):
            listener.hint(topic)

    def signal(self, topic: str, payload: Signal) -> None:
        """Passes `payload` to every subscriber of `topic`."""
        signal = {**payload, "topic": topic}
        for listener in tuple(self.listeners.get(topic, ())):
            listener.pass_on(signal)

    def subscribe(self, *topics: str) -> Subscription:
        """Starts listening."""
        return Subscription(self, topics)

    def close(self) -> None:
        """Lets go of what the bus holds; here nothing."""
