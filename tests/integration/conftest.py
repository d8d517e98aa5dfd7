"""A real uvicorn on loopback with the agents' side of the product, and consoles that speak to it as a browser would."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx
import pytest
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import Connection, Select, insert
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from assistant.bus.choose import open_bus
from assistant.bus.hints import LocalBus
from assistant.chat.server import server_options
from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.escalation import commands, store
from assistant.escalation import routes as desk_routes
from assistant.escalation.service import DeskDeps
from assistant.escalation.socket import Consoles
from assistant.escalation.sweeper import Sweeper
from assistant.http import install_error_handlers
from assistant.identity import routes as agent_routes
from assistant.identity.agents import Agent, create_agent
from assistant.ids import new_id
from assistant.review import routes as review_routes
from assistant.settings import Settings
from assistant.storage.engine import Storage
from assistant.storage.migrate import upgrade
from assistant.storage.tables import contact, site
from tests.tools.postgres import Cluster

PASSWORD = "correct horse battery"


@dataclass
class DeskServer:
    """The server, and what tests do beside it in the same database."""

    storage: Storage
    bus: LocalBus
    settings: Settings
    sweeper: Sweeper
    site_id: str
    offset_ms: int = 0  # how far the server's clock is ahead
    loop: asyncio.AbstractEventLoop | None = None
    server: uvicorn.Server | None = None
    app: FastAPI | None = None
    agents: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    def clock(self) -> int:
        return time.time_ns() // 1_000_000 + self.offset_ms

    def add_site(self, key: str) -> str:
        site_id = new_id()
        self.storage.write_sync(
            lambda connection: connection.execute(
                insert(site).values(
                    id=site_id, key=key, name=key, origins=[], holdout_salt="x", created_at=self.clock()
                )
            )
        )
        return site_id

    def hire(self, login: str, role: str = "agent", *, site_id: str | None = None, **values: Any) -> str:
        made = {"site_id": site_id or self.site_id, "login": login, "name": login.title(), "password": PASSWORD}
        agent_id = self.storage.write_sync(
            lambda connection: create_agent(connection, role=role, now=self.clock(), **made, **values)  # type: ignore[arg-type]
        )
        self.agents[login] = agent_id
        return agent_id

    def talk(self, *bodies: str, site_id: str | None = None, name: str | None = "Jonas", **values: Any) -> str:
        """A conversation in which a contact has said `bodies`."""

        def work(connection: Connection) -> str:
            contact_id = new_id()
            owner = site_id or self.site_id
            connection.execute(
                insert(contact).values(
                    id=contact_id,
                    site_id=owner,
                    customer_key=f"key-{contact_id}",
                    name=name,
                    first_seen_at=self.clock(),
                    **values,
                )
            )
            conv = open_conversation(connection, site_id=owner, contact_id=contact_id, locale="en", now=self.clock())
            for body in bodies:
                append(connection, conv, NewEvent("contact", "message", body=body, cmid=str(uuid4())), now=self.clock())
            return conv

        return self.storage.write_sync(work)

    def hold(self, login: str, *bodies: str) -> str:
        """A conversation that the agent has taken over."""
        conv = self.talk(*bodies)
        who = Agent(self.agents[login], self.site_id, login.title(), "agent")
        self.storage.write_sync(lambda connection: commands.take_over(connection, who, conv, now=self.clock()))
        self.bus.publish(f"desk:{self.site_id}")
        return conv

    def say(self, conv: str, body: str, sender: str = "contact") -> int:
        new = NewEvent(sender, "message", body=body, cmid=str(uuid4()))
        seq = self.storage.write_sync(lambda connection: append(connection, conv, new, now=self.clock())).seq
        self.bus.publish(f"conv:{conv}")
        return seq

    def escalate(self, conv: str, **values: Any) -> None:
        asked = {"by": "contact", "reason": "asked_for_human", "cmid": str(uuid4()), **values}
        self.storage.write_sync(lambda connection: store.escalate(connection, conv, now=self.clock(), **asked))
        self.bus.publish(f"conv:{conv}")
        self.bus.publish(f"desk:{self.site_id}")

    def run(self, work: Callable[[Connection], Any]) -> Any:
        return self.storage.read_sync(work)

    async def eventually(self, query: Select[Any], value: Any, timeout_s: float = 5.0) -> None:
        """Waits until `query` gives `value`."""
        deadline = time.monotonic() + timeout_s
        while (found := self.run(lambda connection: connection.execute(query).scalar_one())) != value:
            assert time.monotonic() < deadline, f"{found!r} is not {value!r}"
            await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def browser(self, login: str, password: str = PASSWORD) -> AsyncIterator[Browser]:
        async with httpx.AsyncClient(base_url=self.url, headers={"Origin": self.url}) as http:
            browser = Browser(self, http)
            await browser.log_in(login, password)
            yield browser


@dataclass
class Browser:
    """A logged-in agent's browser."""

    server: DeskServer
    http: httpx.AsyncClient
    csrf: str = ""

    async def log_in(self, login: str, password: str) -> None:
        answer = await self.http.post("/api/login", json={"login": login, "password": password})
        answer.raise_for_status()
        self.csrf = answer.json()["csrf"]

    async def post(self, path: str, **values: Any) -> httpx.Response:
        return await self.http.post(path, headers={"X-CSRF": self.csrf}, **values)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params)

    async def ticket(self) -> str:
        answer = await self.post("/api/desk/ticket")
        answer.raise_for_status()
        return str(answer.json()["ticket"])

    @contextlib.asynccontextmanager
    async def console(self) -> AsyncIterator[Console]:
        url = f"{self.server.url.replace('http', 'ws')}/ws/desk"
        async with connect(url, origin=self.server.url, max_queue=None) as ws:  # type: ignore[arg-type]
            console = Console(ws)
            await console.send(t="hello", v="staywell.desk.v1", ticket=await self.ticket())
            console.ready = await console.next("ready")
            yield console


@dataclass
class Console:
    """One console socket. Frames that nobody waited for stay in `frames`."""

    ws: ClientConnection
    frames: list[dict[str, Any]] = field(default_factory=list)
    ready: dict[str, Any] = field(default_factory=dict)

    async def send(self, **frame: Any) -> None:
        await self.ws.send(json.dumps(frame))

    async def next(self, kind: str, timeout_s: float = 10.0, **fields: Any) -> dict[str, Any]:
        """The next frame of a kind whose fields are as given; earlier ones are skipped, but kept in `frames`."""
        return await self.until(
            lambda frame: frame["t"] == kind and all(frame.get(name) == value for name, value in fields.items()),
            timeout_s,
        )

    async def desk(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next snapshot of the desk for which `condition` holds."""
        return await self.until(lambda frame: frame["t"] == "desk" and condition(frame))

    async def until(self, condition: Callable[[dict[str, Any]], bool], timeout_s: float = 10.0) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            while True:
                frame: dict[str, Any] = json.loads(await self.ws.recv())
                self.frames.append(frame)
                if condition(frame):
                    return frame

    async def closed(self, timeout_s: float = 10.0) -> int:
        """The close code, once the server has closed; what came before is in `frames`."""
        async with asyncio.timeout(timeout_s):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    self.frames.append(json.loads(await self.ws.recv()))
        assert self.ws.close_code is not None
        return self.ws.close_code


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Thread:
    """uvicorn in a thread, with the sweeper beside it."""

    def __init__(self, desk: DeskServer, app: FastAPI) -> None:
        config = uvicorn.Config(app, port=desk.settings.port, log_level="warning", **server_options())
        self._server = desk.server = uvicorn.Server(config)
        self._desk = desk
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._desk.loop = asyncio.get_running_loop()
        sweeping = asyncio.create_task(self._sweep())
        try:
            await self._server.serve()
        finally:
            sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping

    async def _sweep(self) -> None:
        while True:
            await self._desk.sweeper.once(self._desk.clock())
            await asyncio.sleep(0.1)

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@contextlib.contextmanager
def serving(settings: Settings, site_id: str | None = None) -> Iterator[DeskServer]:
    """A worker on its own port, for the given site or for a new one."""
    storage, bus = Storage(settings.url), open_bus(settings.url)
    desk = DeskServer(storage, bus, settings, Sweeper(storage, bus, lambda: desk.clock(), settings), "")
    desk.site_id = site_id or desk.add_site("shop")
    deps = DeskDeps(storage, bus, desk.clock, settings)
    desk.app = app = FastAPI()
    install_error_handlers(app)
    app.include_router(agent_routes.build_router(agent_routes.AgentDeps(storage, bus, desk.clock, settings)))
    app.include_router(desk_routes.build_router(deps, Consoles()))
    app.include_router(review_routes.build_router(deps))
    with _Thread(desk, app):
        yield desk
    bus.close()
    storage.close()


@pytest.fixture
def _cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real cost is for attackers."""
    monkeypatch.setattr("assistant.identity.agents._hasher", PasswordHasher(1, 1024, 1))


@pytest.fixture
def desk_server(request: pytest.FixtureRequest, tmp_path: Path, _cheap_passwords: None) -> Iterator[DeskServer]:
    """One worker on SQLite; on PostgreSQL for a test that asks for "postgresql" (indirectly)."""
    on_postgres = getattr(request, "param", "sqlite") == "postgresql"
    url = request.getfixturevalue("postgres").migrated() if on_postgres else None
    settings = Settings(data_dir=tmp_path, port=free_port(), database_url=url, _env_file=None)
    upgrade(settings.url)
    with serving(settings) as desk:
        yield desk


@pytest.fixture
def desk_workers(postgres: Cluster, tmp_path: Path, _cheap_passwords: None) -> Iterator[tuple[DeskServer, DeskServer]]:
    """Two workers over one PostgreSQL."""
    common = {"data_dir": tmp_path, "database_url": postgres.migrated()}
    with (
        serving(Settings(port=free_port(), _env_file=None, **common)) as one,
        serving(Settings(port=free_port(), _env_file=None, **common), one.site_id) as other,
    ):
        other.agents = one.agents
        yield one, other
