"""The bus over PostgreSQL NOTIFY: hints and signals between workers that share a database.

Publishing never waits: what is published goes to this worker's own subscribers at once, and into a bag that a thread empties, many
hints a NOTIFY. Another thread listens. A hint may be lost, on a broken connection for one; then everybody is told to look, and
readers look by themselves every 2 s anyway. The log itself never passes through here.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import Any, Final

import orjson
import psycopg
import structlog
from sqlalchemy.engine import make_url

from assistant.bus.hints import LocalBus, Signal
from assistant.ids import new_id

log = structlog.get_logger()

CHANNEL: Final = "staywell"
MOST_BYTES: Final = 7_500  # PostgreSQL takes payloads below 8,000
MOST_SIGNALS: Final = 1_000  # waiting to go out; the oldest is dropped
GATHER_S: Final = 0.002  # what is published within shares a NOTIFY
RETRY_S: Final = 0.5
_LISTEN_S: Final = 1.0  # how often the listener looks whether it should end


class PostgresBus(LocalBus):
    """A LocalBus that other workers hear, and that hears them."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._conninfo = _conninfo(url)
        self._worker = new_id()
        self._topics: set[str] = set()
        self._out: deque[Signal] = deque(maxlen=MOST_SIGNALS)
        self._something = threading.Condition()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(work,), name=f"bus-{name}", daemon=True)
            for name, work in (("notify", self._tell), ("listen", self._listen))
        ]
        for thread in self._threads:
            thread.start()

    def publish(self, topic: str) -> None:
        """Tells subscribers here now, and those of other workers soon."""
        super().publish(topic)
        with self._something:
            self._topics.add(topic)
            self._something.notify()

    def signal(self, topic: str, payload: Signal) -> None:
        """Passes `payload` on, here now and elsewhere soon."""
        super().signal(topic, payload)
        with self._something:
            self._out.append({**payload, "topic": topic})
            self._something.notify()

    def close(self) -> None:
        """Stops both threads. What is still in the bag is dropped: hints may be."""
        self._closed.set()
        with self._something:
            self._something.notify()
        for thread in self._threads:
            thread.join(2 * _LISTEN_S + RETRY_S)

    # --- threads ---

    def _keep(self, work: Any) -> None:
        """Runs `work` on a connection, and again on a new one when that breaks."""
        while not self._closed.is_set():
            try:
                with psycopg.connect(self._conninfo, autocommit=True, connect_timeout=5) as connection:
                    work(connection)
            except psycopg.Error as error:
                log.warning("bus_broken", error=type(error).__name__)
                self._closed.wait(RETRY_S)

    def _tell(self, connection: psycopg.Connection[Any]) -> None:
        while True:
            with self._something:
                while not self._topics and not self._out and not self._closed.is_set():
                    self._something.wait()
            if self._closed.is_set():
                connection.execute("SELECT pg_notify(%s, '')", (CHANNEL,))  # wakes the listener, so that it ends too
                return
            time.sleep(GATHER_S)
            with self._something:
                topics, self._topics = self._topics, set()
                signals = list(self._out)
                self._out.clear()
            for payload in packed(self._worker, topics, signals):
                connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(f"LISTEN {CHANNEL}")
        for topic in tuple(self.listeners):  # what was said while nobody listened
            super().publish(topic)
        while not self._closed.is_set():
            for notice in connection.notifies(timeout=_LISTEN_S):
                self._hear(notice.payload)
                if self._closed.is_set():
                    return

    def _hear(self, payload: str) -> None:
        with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError):
            heard = orjson.loads(payload)
            if heard["w"] == self._worker:
                return
            for topic in heard["h"]:
                super().publish(topic)
            for signal in heard["s"]:
                super().signal(signal["topic"], signal)


def packed(worker: str, topics: set[str], signals: list[Signal]) -> list[str]:
    """As few payloads as hold it all; a signal that is too big by itself is dropped."""
    payloads: list[str] = []
    parts: dict[str, list[Any]] = {"h": [], "s": []}
    size = 0

    def flush() -> None:
        nonlocal parts, size
        if size:
            payloads.append(orjson.dumps({"w": worker, **parts}).decode())
        parts, size = {"h": [], "s": []}, 0

    for name, items in (("h", sorted(topics)), ("s", signals)):
        for item in items:
            length = len(orjson.dumps(item)) + 1
            if length > MOST_BYTES:
                continue
            if size + length > MOST_BYTES:
                flush()
            parts[name].append(item)
            size += length
    flush()
    return payloads


def _conninfo(url: str) -> str:
    """libpq's form of an SQLAlchemy URL."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
