"""Access that is taken back closes what is open: at once, with the right code, on every worker, whoever does it."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select
from typer.testing import CliRunner
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from assistant.cli import app as cli
from assistant.identity import agents, revocation, sites, widget
from assistant.storage.tables import audit
from tests.tools.chat_client import Contact
from tests.tools.postgres import Cluster
from tests.tools.whole_server import PASSWORD, Whole, now_ms, whole_server

AT_ONCE_S = 15  # a count is looked at every second, and a machine may be busy; without it they would stay for hours


@pytest.fixture(scope="module", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """The real cost is for attackers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assistant.identity.agents._hasher", PasswordHasher(1, 1024, 1))
        yield


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, _cheap_passwords: None) -> Iterator[Whole]:
    with whole_server(tmp_path_factory.mktemp("revocation")) as whole:
        for login in ("role", "password", "same", "gone", "cli", "out"):
            whole.hire(login)
        yield whole


@asynccontextmanager
async def console(server: Whole, login: str) -> AsyncIterator[tuple[ClientConnection, httpx.AsyncClient]]:
    """A logged-in agent's console that is ready, and the browser that it is open in."""
    async with httpx.AsyncClient(base_url=server.base, headers={"Origin": server.base}) as http:
        answer = await http.post("/api/login", json={"login": login, "password": PASSWORD})
        http.headers["X-CSRF"] = answer.json()["csrf"]
        ticket = (await http.post("/api/desk/ticket")).json()["ticket"]
        url = server.base.replace("http", "ws", 1) + "/ws/desk"
        async with connect(url, origin=server.base, max_queue=None) as socket:  # type: ignore[arg-type]
            await socket.send(json.dumps({"t": "hello", "v": "staywell.desk.v1", "ticket": ticket}))
            while json.loads(await socket.recv())["t"] != "ready":
                pass
            yield socket, http


async def closed(socket: ClientConnection) -> tuple[int | None, float]:
    """The close code, and how long it took."""
    started = time.monotonic()
    try:
        while True:
            await socket.recv()
    except ConnectionClosed as error:
        return None if error.rcvd is None else error.rcvd.code, time.monotonic() - started


def change(server: Whole, login: str, **values: Any) -> int:
    return int(
        server.write(lambda connection: agents.change_agent(connection, server.agents[login], now=now_ms(), **values))
    )


@pytest.mark.parametrize(
    ("login", "values"),
    [("role", {"role": "supervisor"}), ("password", {"password": "another long one"}), ("gone", {"disabled": True})],
)
async def test_role_password_and_leaving_close_the_console(server: Whole, login: str, values: dict[str, Any]) -> None:
    async with console(server, login) as (socket, http):
        assert change(server, login, **values) == 1
        code, took = await closed(socket)
        assert code == 4401
        assert took < AT_ONCE_S
        assert (await http.get("/api/me")).status_code == 401


async def test_what_takes_nothing_back_leaves_the_console_open(server: Whole) -> None:
    async with console(server, "same") as (socket, http):
        assert change(server, "same", role="agent", name="Sam", capacity=7) == 0
        server.write(revocation.note)  # somebody else's access
        await socket.send(json.dumps({"t": "ping", "n": 1}))
        while json.loads(await socket.recv()).get("t") != "pong":
            pass
        assert (await http.get("/api/me")).json()["agent"]["capacity"] == 7


async def test_logging_out_closes_the_console(server: Whole) -> None:
    async with console(server, "out") as (socket, http):
        assert (await http.post("/api/logout")).status_code == 200
        code, took = await closed(socket)
        assert (code, took < AT_ONCE_S) == (4401, True)


async def test_commands_reach_a_running_server(server: Whole) -> None:
    folder = str(server.services.settings.data_dir)
    async with console(server, "cli") as (socket, _):
        ran = CliRunner().invoke(cli, ["agent", "disable", "cli", "--data-dir", folder])
        assert ran.exit_code == 0, ran.output
        code, took = await closed(socket)
        assert (code, took < AT_ONCE_S) == (4401, True)
    async with httpx.AsyncClient(base_url=server.base) as http:
        body = {"login": "cli", "password": PASSWORD}
        assert (await http.post("/api/login", json=body)).status_code == 401
        CliRunner().invoke(cli, ["agent", "enable", "cli", "--data-dir", folder])
        assert (await http.post("/api/login", json=body)).status_code == 200
        environment = {"STAYWELL_AGENT_PASSWORD": "a new one, long enough"}
        arguments = ["agent", "set", "cli", "--role", "admin", "--new-password", "--data-dir", folder]
        ran = CliRunner().invoke(cli, arguments, env=environment)
        assert ran.exit_code == 0, ran.output
        assert (await http.post("/api/login", json=body)).status_code == 401
        answer = await http.post("/api/login", json={**body, "password": environment["STAYWELL_AGENT_PASSWORD"]})
        assert answer.json()["agent"]["role"] == "admin"
    query = select(audit.c.data).where(audit.c.action == "agent_changed", audit.c.object == server.agents["cli"])
    actions = server.run(lambda connection: connection.execute(query).scalars().all())
    assert [entry["columns"] for entry in actions] == [
        ["disabled"],
        ["disabled"],
        ["failed_logins", "locked_until", "password_hash", "role"],
    ]


async def test_a_withdrawn_site_key_ends_its_chats_and_no_others(server: Whole) -> None:
    server.open_site("leaky")
    theirs, ours = await server.session("leaky"), await server.session("other")
    async with Contact(server.base, theirs["token"]) as gone, Contact(server.base, ours["token"]) as stays:
        await gone.hello()
        await stays.hello()
        folder = str(server.services.settings.data_dir)
        ran = CliRunner().invoke(cli, ["site", "rekey", "leaky", "tight", "--json", "--data-dir", folder])
        assert json.loads(ran.stdout) == {"key": "tight", "withdrawn": "leaky", "tokens_ended": 1}
        started = time.monotonic()
        assert (await gone.closed())[0] == 4401
        assert time.monotonic() - started < AT_ONCE_S
        assert (await stays.message("still here"))["t"] == "ack"
    async with httpx.AsyncClient(base_url=server.base) as http:
        old = await http.post("/api/widget/session", json={"site": "leaky", "resume": theirs["resume"]})
        assert (old.status_code, old.json()["code"]) == (404, "unknown_site")
        history = await http.post(
            "/api/widget/details", json={}, headers={"Authorization": f"Bearer {theirs['token']}"}
        )
        assert history.status_code == 401
    assert (await server.session("tight", resume=theirs["resume"]))["resume"] == theirs["resume"]


async def test_a_contacts_tokens_taken_back_close_every_tab(server: Whole) -> None:
    session = await server.session(identity=server.identity("c-9"))
    async with AsyncExitStack() as stack:
        tabs = [await stack.enter_async_context(Contact(server.base, session["token"])) for _ in range(3)]
        for tab in tabs:
            await tab.hello()
        access = server.run(lambda connection: widget.check_token(connection, session["token"], now=now_ms()))

        def work(connection: Any) -> None:
            widget.revoke(connection, access.contact_id)
            revocation.note(connection)

        server.write(work)
        assert [(await tab.closed())[0] for tab in tabs] == [4401] * 3


@pytest.fixture
def workers(tmp_path: Path, postgres: Cluster, _cheap_passwords: None) -> Iterator[list[Whole]]:
    """Two workers over one PostgreSQL."""
    url = postgres.migrated()
    with ExitStack() as stack:
        yield [stack.enter_context(whole_server(tmp_path, database_url=url)) for _ in range(2)]


async def test_another_worker_hears_of_it(workers: list[Whole]) -> None:
    one, other = workers
    for login in ("anna", "ben"):
        one.hire(login)
        other.agents = one.agents
    session = await one.session()
    async with (
        console(other, "anna") as (socket, _),
        console(other, "ben") as (second, browser),
        Contact(other.base, session["token"]) as contact,
    ):
        await contact.hello()
        change(one, "anna", disabled=True)
        one.services.bus.publish(revocation.TOPIC)
        assert (await closed(socket))[0] == 4401
        async with httpx.AsyncClient(base_url=one.base, cookies=browser.cookies, headers=browser.headers) as http:
            http.headers["Origin"] = one.base
            assert (await http.post("/api/logout")).status_code == 200
        code, took = await closed(second)
        assert (code, took < 1.5) == (4401, True)
        one.write(lambda c: sites.withdraw_key(c, one.sites["shop"].id, new="shop-2", now=now_ms()))
        assert (await contact.closed())[0] == 4401
    with pytest.raises(httpx.HTTPStatusError):
        await other.session("shop")
