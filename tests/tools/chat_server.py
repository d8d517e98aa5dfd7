"""The chat alone behind a real uvicorn: in this process for most tests, in one of its own for those that kill it.

`python -m tests.tools.chat_server --data-dir DIR --port PORT` serves until it is stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, Engine, select
from sqlalchemy import event as sa_event

from assistant import health
from assistant.bus.choose import open_bus
from assistant.bus.hints import LocalBus
from assistant.chat.live import Live
from assistant.chat.routes import build_router
from assistant.chat.server import server_options
from assistant.chat.service import ChatDeps, ChatService, Stored
from assistant.conversations import store
from assistant.conversations.store import Appended, NewEvent
from assistant.http import install_error_handlers
from assistant.identity import sites
from assistant.identity.keys import installation_secret
from assistant.identity.sites import Site, SiteDirectory
from assistant.settings import Settings
from assistant.storage import engine, migrate
from assistant.storage.engine import Storage, Work
from assistant.storage.guard import open_checked
from assistant.storage.tables import event
from tests.tools.chat_client import Contact, new_session

SITE_KEY = "shop"
SITE_ORIGIN = "https://shop.example"
IDENTITY_SECRET = "the shop's secret, which is long enough to sign with"


def wall_clock() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass
class Chat:
    """A running chat and what a test may look into."""

    app: FastAPI
    deps: ChatDeps
    live: Live
    site: Site

    bus: LocalBus

    @property
    def storage(self) -> Storage:
        return self.deps.storage

    def close(self) -> None:
        self.bus.close()
        self.storage.close()


def build(
    data_dir: Path, *, port: int, clock: Callable[[], int] = wall_clock, bus: LocalBus | None = None, **settings: Any
) -> Chat:
    """The chat over a migrated database in `data_dir`, with one site."""
    chosen = Settings(data_dir=data_dir, port=port, **settings)
    migrate.upgrade(chosen.url)
    storage = open_checked(chosen.url)
    site = storage.read_sync(lambda connection: sites.find_site_by_key(connection, SITE_KEY))
    if site is None:
        site = storage.write_sync(
            lambda connection: sites.create(
                connection,
                key=SITE_KEY,
                name="Shop",
                now=clock(),
                origins=[SITE_ORIGIN],
                identity_secret=IDENTITY_SECRET,
            )
        )
    bus = bus or open_bus(chosen.url)
    deps = ChatDeps(
        storage=storage,
        bus=bus,
        clock=clock,
        settings=chosen,
        sites=SiteDirectory(storage, clock),
        secret=installation_secret(chosen),
    )
    live = Live(deps)
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(build_router(deps, live))
    app.include_router(health.build_router(storage, CollectorRegistry(), clock, dict, lambda: live.draining))
    return Chat(app, deps, live, site, bus)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the test is the one to stop it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def serving(chat: Chat, port: int, **options: Any) -> AsyncIterator[_Server]:
    """Serves `chat` on the running loop until the block ends."""
    settings = {**server_options(), "log_config": None, "lifespan": "off", **options}
    server = _Server(uvicorn.Config(chat.app, host="127.0.0.1", port=port, **settings))
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.005)
    try:
        yield server
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
        await asyncio.to_thread(chat.close)


@dataclass
class ChatServer:
    """A chat that is being served, and a way to be a contact of it."""

    chat: Chat
    base: str

    async def contact(self, token: str | None = None) -> Contact:
        """A contact with a token, a new guest's by default; not connected yet."""
        return Contact(self.base, token or (await new_session(self.base))["token"])


@asynccontextmanager
async def serve_chat(folder: Path, **settings: Any) -> AsyncIterator[ChatServer]:
    """A chat on a port of its own, with a generous rate."""
    port = free_port()
    chat = build(folder / "var", port=port, **{"messages_per_10s": 1000, **settings})
    async with serving(chat, port):
        yield ChatServer(chat, f"http://127.0.0.1:{port}")


GENEROUS = {"messages_per_10s": 100_000, "messages_per_minute_site": 6_000_000, "sockets_per_contact": 1000}
ACK_HELD_S = 0.03


def _forget_cmids() -> None:
    """Every message is a new one, as if nothing told a resent one from it.

    The ack is also held back a little, which is no bug: kills then fall between commit and ack on a fast machine too.
    """
    append, send = store.append, ChatService.send

    def forgetful(connection: Connection, conversation_id: str, new: NewEvent, **how: Any) -> Appended:
        return append(connection, conversation_id, replace(new, cmid=None), **how)

    async def late(self: ChatService, *arguments: Any, **named: Any) -> Stored:
        stored = await send(self, *arguments, **named)
        await asyncio.sleep(ACK_HELD_S)
        return stored

    store.append = forgetful
    ChatService.send = late  # type: ignore[method-assign]


def _ack_unsynced() -> None:
    """A commit does not wait for the disk: what survives a kill, and not a loss of power.

    Syncs come with copies of the log into the file alone then; these are made often, so that power is lost over one soon.
    """
    connect = engine.connect

    def hasty(url: str, **how: Any) -> Engine:
        made = connect(url, **how)
        sa_event.listen(made, "connect", relax)
        return made

    def relax(raw: Any, _record: Any) -> None:
        raw.execute("PRAGMA synchronous = NORMAL")
        raw.execute("PRAGMA wal_autocheckpoint = 200")

    engine.connect = hasty


LAST_WORDS = "these are its last words"  # the message over which a server with a fail-point dies


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_before_commit() -> None:
    """The event is in the transaction, which nobody commits."""
    append = store.append

    def fatal(connection: Connection, conversation_id: str, new: NewEvent, **how: Any) -> Appended:
        appended = append(connection, conversation_id, new, **how)
        if new.body == LAST_WORDS:
            _die()
        return appended

    store.append = fatal


def _die_after_commit() -> None:
    """The event is stored; no ack leaves, and nobody is told of it."""
    write = Storage.write

    async def fatal(self: Storage, work: Work[Any]) -> Any:
        value = await write(self, work)
        if isinstance(value, Stored) and self.read_sync(_has_last_words):
            _die()
        return value

    Storage.write = fatal  # type: ignore[method-assign]


def _has_last_words(connection: Connection) -> bool:
    return connection.execute(select(event.c.id).where(event.c.body == LAST_WORDS)).first() is not None


FAIL_POINTS: dict[str, Callable[[], None]] = {"before_commit": _die_before_commit, "after_commit": _die_after_commit}
BUGS: dict[str, Callable[[], None]] = {"ack_unsynced": _ack_unsynced, "forget_cmids": _forget_cmids}


def main() -> None:
    """Serves from the command line, until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bug", choices=sorted(BUGS), help="seed a bug that the tests must notice")
    parser.add_argument("--die", choices=sorted(FAIL_POINTS), help="where to be killed over a message of certain words")
    parser.add_argument("--descriptors", type=int, help="files and sockets that the process may have open")
    parser.add_argument("--strict-rate", action="store_true", help="the rates of production")
    arguments = parser.parse_args()
    if arguments.descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (arguments.descriptors, arguments.descriptors))
    if arguments.bug:
        BUGS[arguments.bug]()
    if arguments.die:
        FAIL_POINTS[arguments.die]()
    generous = {} if arguments.strict_rate else GENEROUS
    chat = build(arguments.data_dir, port=arguments.port, **generous)
    options = {**server_options(), "log_level": "warning", "lifespan": "off"}
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.run(chat.app, host="127.0.0.1", port=arguments.port, **options)


if __name__ == "__main__":
    main()
