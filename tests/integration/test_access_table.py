"""Every actor × route or frame × object is as one table declares, and nothing of one customer reaches another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, get_args
from uuid import uuid4

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import Connection, insert, select
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from assistant.chat.frames import ClientFrame
from assistant.conversations.store import NewEvent, append, open_conversation
from assistant.escalation import commands
from assistant.escalation.frames import DeskClientFrame
from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.storage.tables import contact, conversation, event, note, orders, task
from tests.integration.access_table import (
    ACTORS,
    AGENTS,
    CALLS,
    CHAT_NAMING,
    CHAT_OTHERS,
    CONTACTS,
    DESK_ACTORS,
    DESK_FRAMES,
    Call,
)
from tests.tools.chat_client import Contact
from tests.tools.whole_server import PASSWORD, Whole, api_key_of, now_ms, whole_server

CANARY = f"canary-{uuid4().hex}"
ULID = "01HZX0000000000000000000ZZ"
HOMES = {"owner": "shop", "other": "shop", "stranger": "other"}  # the contacts' shops
ROLES = {"agent": "agent", "supervisor": "supervisor", "admin": "admin", "colleague": "agent"}
ENDING = frozenset(
    {"/api/logout", "/api/shop/logout", "/api/shop/erase"}
)  # calls after which credentials are no longer good
MAY_KNOW = frozenset({"owner", "agent", "colleague", "supervisor", "admin", "shop"})  # of the owner's conversation


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assistant.identity.agents._hasher", PasswordHasher(1, 1024, 1))
        with whole_server(tmp_path_factory.mktemp("table"), burst_pause_ms=0, messages_per_10s=1000) as whole:
            for login, role in ROLES.items():
                whole.hire(login, role, capacity=100)  # type: ignore[arg-type]
            whole.hire("foreign_agent", "agent", "other", capacity=100)
            whole.hire("foreign_supervisor", "supervisor", "other", capacity=100)
            yield whole


def customer(actor: str) -> str:
    """The number of a contact at its shop; the owner's is a secret too."""
    return f"{CANARY}-number" if actor == "owner" else f"no-{actor}"


async def token_of(server: Whole, actor: str) -> str:
    said = {"name": CANARY, "email": f"{CANARY}@mail.example"} if actor == "owner" else {"name": actor}
    site = HOMES[actor]
    return str((await server.session(site, identity=server.identity(customer(actor), site, **said)))["token"])


KEPT: dict[
    tuple[str, str], httpx.AsyncClient
] = {}  # whose headers and cookies are good; closed, since each test has its own loop


@asynccontextmanager
async def browser_of(server: Whole, actor: str) -> AsyncIterator[httpx.AsyncClient]:
    """What an actor calls with: all that it could have."""
    kept = KEPT.get((server.base, actor))
    if kept is not None:
        async with httpx.AsyncClient(base_url=server.base, headers=kept.headers, cookies=kept.cookies) as http:
            yield http
        return
    async with httpx.AsyncClient(base_url=server.base, headers={"Origin": server.base}) as http:
        if actor in CONTACTS:
            http.headers["Authorization"] = f"Bearer {await token_of(server, actor)}"
        elif actor in AGENTS or actor in ROLES:
            answer = await http.post("/api/login", json={"login": actor, "password": PASSWORD})
            http.headers["X-CSRF"] = answer.json()["csrf"]
        elif actor != "nobody":
            http.headers["Authorization"] = f"Bearer {api_key_of('shop' if actor == 'shop' else 'other')}"
        KEPT[server.base, actor] = http
        yield http


def id_of(server: Whole, actor: str) -> str:
    site_id = server.sites[HOMES[actor]].id
    query = select(contact.c.id).where(contact.c.external_id == customer(actor), contact.c.site_id == site_id)
    return str(server.run(lambda connection: connection.execute(query).scalar_one()))


def talk(server: Whole, *, held: bool = False) -> dict[str, str]:
    """A new conversation of the owner's, full of what nobody else may read; {conv, contact, task?}."""
    who, site = id_of(server, "owner"), server.sites["shop"]

    def work(connection: Connection) -> dict[str, str]:
        now = now_ms()
        conv = open_conversation(connection, site_id=site.id, contact_id=who, locale="en", now=now)
        for sender, body in (("contact", f"I am {CANARY}"), ("bot", f"Hello {CANARY}")):
            append(connection, conv, NewEvent(sender, "message", body, cmid=str(uuid4())), now=now)
        connection.execute(
            insert(orders).values(
                id=new_id(),
                site_id=site.id,
                order_no=f"{CANARY}-{conv}",
                external_customer_id=customer("owner"),
                status="placed",
                total=100,
                currency="EUR",
                lines=[{"product_id": "p", "title": CANARY, "quantity": 1, "unit_price": 100}],
                ts_event=now,
                ts_ingested=now,
            )
        )
        ids = {"conv": conv, "contact": who}
        if held:
            agent = Agent(server.agents["agent"], site.id, "Agent", "agent")
            ids["task"] = commands.take_over(connection, agent, conv, now=now).task.id
            commands.write_note(connection, agent, conv, cmid=str(uuid4()), body=f"note {CANARY}", now=now)
        return ids

    return dict(server.write(work))


# --- HTTP -----------------------------------------------------------------------------------------------------------


def routes_of(app: Any) -> set[tuple[str, str]]:
    """(method, path) of everything that the application answers; sockets as method WS."""

    def walk(routes: Any) -> Iterator[tuple[str, str]]:
        for route in routes:
            included = getattr(route, "original_router", None)
            if included is not None:
                yield from walk(included.routes)
            elif hasattr(route, "methods"):
                yield from ((method, route.path) for method in (route.methods or {"GET"}) - {"HEAD"})
            elif type(route).__name__ == "Mount":
                yield "GET", route.path
            else:
                yield "WS", route.path

    return set(walk(app.routes))


def test_every_route_stands_in_the_table(server: Whole) -> None:
    declared = [(call.method, call.route or call.path) for call in CALLS]
    assert len(set(declared)) == len(declared)
    assert routes_of(server.app) == {*declared, ("WS", "/ws/chat"), ("WS", "/ws/desk")}


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """`value` with the ids of the object in place of their names."""
    if isinstance(value, str):
        return value.format(**ids) if "{" in value else value
    if isinstance(value, Mapping):
        return {name: filled(inner, ids) for name, inner in value.items()}
    return [filled(inner, ids) for inner in value] if isinstance(value, list) else value


async def ask(http: httpx.AsyncClient, call: Call, ids: Mapping[str, str]) -> httpx.Response:
    body = None if call.body is None else filled(call.body, ids)
    return await http.request(call.method, filled(call.path, ids), params=filled(call.query, ids), json=body)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
async def test_every_actor_gets_what_is_declared(server: Whole, call: Call) -> None:
    await token_of(server, "owner")
    got, told = {}, {}
    for actor in ACTORS:
        async with browser_of(server, actor) as http:
            shown = {**talk(server), "customer": customer("owner"), "ulid": ULID, "cmid": str(uuid4()), "actor": actor}
            answer = await ask(http, call, shown)
            got[actor], told[actor] = answer.status_code, answer.text + str(answer.headers)
            if call.path == "/api/shop/erase" and answer.status_code == 200:
                await token_of(server, "owner")  # comes back, as somebody new, for the next actor
            # what is not there looks the same as what is another's
            if answer.status_code == 403 and "{conv}" in f"{call.path}{call.query}{call.body}":
                absent = await ask(http, call, {**shown, "conv": ULID})
                assert (absent.status_code, absent.text) == (answer.status_code, answer.text)
    if call.path in ENDING:
        KEPT.clear()
    assert got == call.expected
    assert [actor for actor in ACTORS if actor not in MAY_KNOW and CANARY in told[actor]] == []
    assert all("x-content-type-options" in text for text in told.values())


async def test_a_customers_number_means_nobody_in_another_shop(server: Whole) -> None:
    """Two shops may use the same numbers."""
    await server.session("other", identity=server.identity(customer("owner"), "other", name="Namesake"))
    await token_of(server, "owner")
    talk(server)
    async with browser_of(server, "other_shop") as http:
        document = (await http.post("/api/shop/dossier", json={"customer": customer("owner")})).json()
    assert document["contact"]["name"] == "Namesake"
    assert document["orders"] == document["conversations"] == []
    async with browser_of(server, "other_shop") as http:
        assert (await http.post("/api/shop/erase", json={"customer": customer("owner")})).json()["orders"] == 0
    query = select(contact.c.name).where(contact.c.id == id_of(server, "owner"))
    assert server.run(lambda connection: connection.execute(query).scalar_one()) == CANARY


# --- the console's socket -------------------------------------------------------------------------------------------


def kinds(union: Any) -> set[str]:
    """The `t` of every frame of a union."""
    return {get_args(member.model_fields["t"].annotation)[0] for member in get_args(get_args(union)[0])}


def test_every_frame_stands_in_the_table() -> None:
    assert kinds(DeskClientFrame) == set(DESK_FRAMES)
    assert kinds(ClientFrame) == {*CHAT_NAMING, *CHAT_OTHERS}


class Desk:
    """A console that is ready; `seen` is all that it ever got."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[str] = []

    async def answer(self, frame: Mapping[str, Any]) -> str:
        """How a frame is answered: the type of the answer, the code of a refusal, or '-'."""
        await self.socket.send(json.dumps(frame))
        await self.socket.send('{"t":"ping","n":77}')
        found = "-"
        while True:
            got = await self.read()
            if got["t"] == "pong" and got["n"] == 77:
                return found
            if got["t"] in ("ack", "done", "caught", "refused", "pong"):
                found = got["code"] if got["t"] == "refused" else got["t"]

    async def read(self) -> dict[str, Any]:
        text = await asyncio.wait_for(self.socket.recv(), 10)
        self.seen.append(str(text))
        return dict(json.loads(text))


@asynccontextmanager
async def console(server: Whole, actor: str) -> AsyncIterator[Desk]:
    async with browser_of(server, actor) as http:
        ticket = (await http.post("/api/desk/ticket")).json()["ticket"]
        url = server.base.replace("http", "ws", 1) + "/ws/desk"
        async with connect(url, origin=server.base, max_queue=None) as socket:  # type: ignore[arg-type]
            desk = Desk(socket)
            await socket.send(json.dumps({"t": "hello", "v": "staywell.desk.v1", "ticket": ticket}))
            while (await desk.read())["t"] != "ready":
                pass
            yield desk


def desk_frame(kind: str, ids: Mapping[str, str]) -> dict[str, Any]:
    """A good frame of a kind about a held conversation."""
    about = {"conv": ids["conv"]}
    held = {**about, "assign_epoch": 1}
    said = {"cmid": str(uuid4()), "body": "hello"}
    fields: dict[str, dict[str, Any]] = {
        "hello": {"v": "staywell.desk.v1", "ticket": "x"},
        "ping": {"n": 1},
        "presence": {"state": "away"},
        "watch": about,
        "unwatch": about,
        "accept": {"task": ids["task"], "offer": ULID},
        "decline": {"task": ids["task"], "offer": ULID},
        "msg": {**held, **said},
        "note": {**about, **said},
        "mentions_read": about,
        "transfer": {**held, "cmid": said["cmid"]},
        "snooze": {**held, "until": now_ms() + 60_000},
        "callback": {"id": ULID, "result": "done"},
        "return": held,
        "takeover": about,
        "resolve": {**held, "disposition": "solved"},
        "typing": {**about, "on": True},
        "seen": {**about, "seq": 1},
    }
    return {"t": kind, **fields[kind]}


@pytest.mark.parametrize("place", range(len(DESK_ACTORS)), ids=DESK_ACTORS)
async def test_every_frame_of_a_console_is_answered_as_declared(server: Whole, place: int) -> None:
    actor = DESK_ACTORS[place]
    await token_of(server, "owner")
    got, absent, seen = {}, {}, []
    for kind in DESK_FRAMES:
        async with console(server, actor) as desk:  # one each: two bad frames are one too many
            ids = talk(server, held=True)
            got[kind] = await desk.answer(desk_frame(kind, ids))
            absent[kind] = await desk.answer(desk_frame(kind, {"conv": ULID, "task": ULID}))
            seen += desk.seen
    assert got == {kind: row[place] for kind, row in DESK_FRAMES.items()}
    if actor.startswith("foreign"):
        assert absent == got
        assert CANARY not in "".join(seen)


async def test_another_shops_console_is_told_nothing_while_it_happens(server: Whole) -> None:
    """Waiting, taken, written in, typed in, resolved: all within sight of the own shop, none of the other's."""
    token = await token_of(server, "owner")
    async with AsyncExitStack() as stack:
        foreign = [
            await stack.enter_async_context(console(server, who)) for who in ("foreign_agent", "foreign_supervisor")
        ]
        other = await stack.enter_async_context(Contact(server.base, await token_of(server, "other")))
        stranger = await stack.enter_async_context(Contact(server.base, await token_of(server, "stranger")))
        for contact_of in (other, stranger):
            await contact_of.hello()
            await contact_of.message("I am somebody else")
        owner = await stack.enter_async_context(Contact(server.base, token))
        conv = talk(server)["conv"]  # of its own: nobody holds it yet
        await owner.hello(conv=conv)
        await owner.say({"t": "typing", "on": True})
        assert (await owner.message(f"I am {CANARY} and I want a person"))["t"] == "ack"
        await owner.say({"t": "escalate", "cmid": str(uuid4()), "reason": "asked_for_human"})
        agent = await stack.enter_async_context(console(server, "agent"))
        assert await agent.answer({"t": "takeover", "conv": conv}) == "done"
        for desk in foreign:
            assert await desk.answer({"t": "watch", "conv": conv}) == "forbidden"
            assert await desk.answer({"t": "typing", "conv": conv, "on": True}) == "-"
        await asyncio.sleep(2.5)  # a console looks by itself every 2 s
        for desk in foreign:
            assert await desk.answer({"t": "unwatch", "conv": conv}) == "-"
            assert CANARY not in "".join(desk.seen)
            assert conv not in "".join(text for text in desk.seen if '"refused"' not in text)
        for contact_of in (other, stranger):
            await contact_of.say({"t": "ping", "n": 5})
            await contact_of.expect("pong", where=lambda frame: frame["n"] == 5)
            assert CANARY not in json.dumps(contact_of.frames)
            assert conv not in json.dumps(contact_of.frames)
        assert not any(frame["t"] == "typing" and frame["from"] == "agent" for frame in owner.frames)


# --- the contact's socket -------------------------------------------------------------------------------------------


async def chat_answer(chat: Contact, frame: Mapping[str, Any]) -> str:
    """How a frame is answered: the type of the answer, the close code, or '-'."""
    try:
        await chat.say(dict(frame))
        if frame["t"] == "hello":
            return str((await chat.expect("ready"))["t"])
        await chat.say({"t": "ping", "n": 9})
        await chat.expect("pong", where=lambda found: found["n"] == 9)
    except ConnectionClosed as error:
        return "1006" if error.rcvd is None else str(error.rcvd.code)
    return "-"


async def test_frames_of_the_chat_that_name_somebody(server: Whole) -> None:
    await token_of(server, "owner")
    conv = talk(server)["conv"]
    tokens = {actor: await token_of(server, actor) for actor in CONTACTS}
    got: dict[str, list[str]] = {"hello": [], "auth": []}
    for actor in CONTACTS:
        hello = {"t": "hello", "v": "staywell.chat.v1", "token": tokens[actor], "conv": conv}
        async with Contact(server.base, tokens[actor]) as chat:
            got["hello"].append(await chat_answer(chat, hello))
            assert actor == "owner" or CANARY not in json.dumps(chat.frames)
        absent = {**hello, "conv": ULID}
        async with Contact(server.base, tokens[actor]) as chat:
            assert await chat_answer(chat, absent) == "4403"
        async with Contact(server.base, tokens["owner"]) as chat:
            await chat.hello(conv=conv)
            got["auth"].append(await chat_answer(chat, {"t": "auth", "token": tokens[actor]}))
    assert {kind: tuple(row) for kind, row in got.items()} == CHAT_NAMING


async def test_a_promised_conversation_is_the_contacts_own(server: Whole) -> None:
    """Its ids are promised to one contact: another who learns them cannot be born into it."""
    async with (
        Contact(server.base, (await server.session())["token"]) as one,
        Contact(server.base, (await server.session())["token"]) as other,
    ):
        ready = await one.hello()
        hello = {"t": "hello", "v": "staywell.chat.v1", "token": other.token}
        stolen = {**hello, "conv": ready["conv"], "epoch": ready["epoch"]}
        assert await chat_answer(other, stolen) == "4403"


async def test_frames_that_name_nobody_stay_in_the_own_conversation(server: Whole) -> None:
    await token_of(server, "owner")
    ids = talk(server, held=True)

    def state(connection: Connection) -> list[Any]:
        tables = (
            select(event).where(event.c.conversation_id == ids["conv"]).order_by(event.c.seq),
            select(conversation).where(conversation.c.id == ids["conv"]),
            select(task).where(task.c.conversation_id == ids["conv"]),
            select(note).where(note.c.conversation_id == ids["conv"]),
        )
        return [tuple(row) for query in tables for row in connection.execute(query)]

    before = server.run(state)
    for actor in ("other", "stranger"):
        async with Contact(server.base, await token_of(server, actor)) as chat:
            await chat.hello()
            for frame in (
                {"t": "msg", "cmid": str(uuid4()), "body": "into mine"},
                {"t": "escalate", "cmid": str(uuid4())},
                {"t": "seen", "seq": 1},
                {"t": "typing", "on": True},
                {"t": "ping", "n": 1},
            ):
                assert await chat_answer(chat, frame) == "-"
            assert CANARY not in json.dumps(chat.frames)
    assert server.run(state) == before


@pytest.mark.parametrize("kind", sorted({*CHAT_NAMING, *CHAT_OTHERS} - {"hello"}))
async def test_nothing_goes_before_hello(server: Whole, kind: str) -> None:
    frames: dict[str, dict[str, Any]] = {
        "auth": {"token": await token_of(server, "owner")},
        "msg": {"cmid": str(uuid4()), "body": "x"},
        "escalate": {"cmid": str(uuid4())},
        "seen": {"seq": 1},
        "typing": {"on": True},
        "ping": {"n": 1},
    }
    async with Contact(server.base, "") as chat:
        assert await chat_answer(chat, {"t": kind, **frames[kind]}) == "4401"
