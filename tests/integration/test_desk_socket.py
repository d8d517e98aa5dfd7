"""The console's socket: who gets in, what is refused, when it closes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, select
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from assistant.conversations.store import NewEvent, append
from assistant.storage.tables import presence

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://127.0.0.1.evil.example"])
async def test_a_foreign_page_does_not_get_in(desk_server: Any, origin: str | None) -> None:
    url = desk_server.url.replace("http", "ws") + "/ws/desk"
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, origin=origin):  # type: ignore[arg-type]
            pass
    assert refused.value.response.status_code == 403


async def first_answer(desk_server: Any, *frames: str | bytes) -> int | None:
    url = desk_server.url.replace("http", "ws") + "/ws/desk"
    async with connect(url, origin=desk_server.url) as ws:
        for frame in frames:
            await ws.send(frame)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(ws.recv(), 10)
        return ws.close_code


async def test_the_first_frame_must_be_a_good_hello(desk_server: Any) -> None:
    hello = {"t": "hello", "v": "staywell.desk.v1", "ticket": "no such ticket"}
    assert await first_answer(desk_server, json.dumps(hello)) == 4401
    assert await first_answer(desk_server, json.dumps({"t": "ping", "n": 1})) == 4401
    assert await first_answer(desk_server, "{") == 4400
    assert await first_answer(desk_server, b"\x00") == 1003


async def test_silence_before_hello_is_cut(desk_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.escalation.socket.HELLO_S", 0.2)
    assert await first_answer(desk_server) == 4408


async def test_sockets_that_say_nothing_are_bounded(desk_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.escalation.socket.MOST_UNGREETED", 3)
    url = desk_server.url.replace("http", "ws") + "/ws/desk"
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(connect(url, origin=desk_server.url))
        assert await first_answer(desk_server) == 1013
    assert await first_answer(desk_server, "{") == 4400


async def test_silence_after_hello_is_cut(desk_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.escalation.socket.SILENCE_S", 0.3)
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser, browser.console() as console:
        assert await console.closed() == 4408


async def test_a_ticket_opens_one_socket(desk_server: Any) -> None:
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser:
        ticket = await browser.ticket()
        hello = json.dumps({"t": "hello", "v": "staywell.desk.v1", "ticket": ticket})
        url = desk_server.url.replace("http", "ws") + "/ws/desk"
        async with connect(url, origin=desk_server.url) as ws:
            await ws.send(hello)
            assert json.loads(await ws.recv())["t"] == "ready"
            assert await first_answer(desk_server, hello) == 4401


async def test_a_ticket_in_the_address_is_worth_nothing(desk_server: Any) -> None:
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser:
        url = desk_server.url.replace("http", "ws") + f"/ws/desk?ticket={await browser.ticket()}"
        async with connect(url, origin=desk_server.url) as ws:
            await ws.send(json.dumps({"t": "ping", "n": 1}))
            with pytest.raises(ConnectionClosed):
                await ws.recv()
            assert ws.close_code == 4401


async def test_a_newer_console_replaces_the_older(desk_server: Any) -> None:
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser, browser.console() as old, browser.console() as new:
        assert await old.closed() == 4409
        await new.send(t="ping", n=7)
        assert (await new.next("pong"))["n"] == 7


async def test_logging_out_closes_the_socket(desk_server: Any) -> None:
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser, browser.console() as console:
        assert (await browser.post("/api/logout")).json() == {}
        assert await console.closed() == 4401
        assert (await browser.get("/api/me")).status_code == 401
    gone = select(presence.c.state).where(presence.c.agent_id == desk_server.agents["anna"])
    await desk_server.eventually(gone, "offline")


async def test_bad_frames_are_refused_and_the_third_closes(desk_server: Any) -> None:
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser, browser.console() as console:
        await console.ws.send('{"t":"dance"}')
        assert (await console.next("refused"))["code"] == "unknown_type"
        await console.send(t="ping", n=1, role="admin")
        assert (await console.next("refused"))["code"] == "bad_frame"
        await console.ws.send("[" * 5000)
        assert (await console.next("refused"))["code"] == "bad_frame"
        assert await console.closed() == 4400


async def test_conflicts_are_answers_not_faults(desk_server: Any) -> None:
    desk_server.hire("anna")
    other = desk_server.talk("x", site_id=desk_server.add_site("other"))
    missing = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    async with desk_server.browser("anna") as browser, browser.console() as console:
        for frame, code in (
            ({"t": "accept", "task": missing}, "gone"),
            ({"t": "decline", "task": missing, "offer": missing}, "gone"),
            ({"t": "watch", "conv": missing}, "forbidden"),
            ({"t": "watch", "conv": other}, "forbidden"),
            ({"t": "takeover", "conv": other}, "forbidden"),
            ({"t": "return", "conv": other, "assign_epoch": 0}, "forbidden"),
            ({"t": "note", "conv": other, "cmid": str(uuid4()), "body": "x"}, "forbidden"),
            ({"t": "msg", "conv": other, "cmid": str(uuid4()), "body": "x", "assign_epoch": 0}, "forbidden"),
            ({"t": "msg", "conv": other, "cmid": str(uuid4()), "body": "  ", "assign_epoch": 0}, "empty"),
        ):
            await console.send(**frame)
            refused = await console.next("refused")
            assert (refused["command"], refused["code"]) == (frame["t"], code)
        await console.send(t="ping", n=1)
        await console.next("pong")


async def test_a_flood_is_refused_then_cut(desk_server: Any) -> None:
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser, browser.console() as console:
        for n in range(400):
            await console.send(t="ping", n=n)
        assert await console.closed() == 4429
        assert any(frame["t"] == "refused" and frame["code"] == "rate" for frame in console.frames)


async def test_presence_is_kept_and_shown(desk_server: Any) -> None:
    desk_server.hire("anna")
    async with desk_server.browser("anna") as browser:
        async with browser.console() as console:
            await console.send(t="presence", state="away")
            await console.next("done", command="presence")
            await console.desk(lambda desk: desk["presence"] == "away")
        async with browser.console() as console:
            assert console.ready["presence"] == "away"
        desk_server.offset_ms += 60_000
        async with browser.console() as console:
            assert console.ready["presence"] == "available", "who was gone is back"


async def test_missed_hints_are_made_up_for(desk_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk_server.hire("anna")
    conv = desk_server.talk("hello")
    async with desk_server.browser("anna") as browser, browser.console() as console:
        await console.send(t="watch", conv=conv)
        await console.next("caught")
        monkeypatch.setattr(desk_server.bus, "publish", lambda topic: None)
        desk_server.say(conv, "anybody?")
        assert (await console.next("ev", timeout_s=3.5))["ev"]["body"] == "anybody?"


async def test_a_reader_who_stalls_is_closed(desk_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """More is waiting than kernel buffers hold; nothing of it is kept for a console that does not read."""
    monkeypatch.setattr("assistant.escalation.socket.SLOW_S", 0.5)
    desk_server.hire("anna")
    conv = desk_server.talk("hello")

    def fill(connection: Connection) -> None:
        for _ in range(2000):
            append(connection, conv, NewEvent("contact", "message", body="词" * 4000, cmid=str(uuid4())), now=1)

    desk_server.storage.write_sync(fill)
    async with desk_server.browser("anna") as browser, browser.console() as console:
        console.ws.transport.pause_reading()
        await console.send(t="watch", conv=conv)
        await asyncio.sleep(2)
        console.ws.transport.resume_reading()
        assert await console.closed() in (4508, 1006)  # cut off when it does not take the close frame in time either
        assert len(console.frames) < 2000
