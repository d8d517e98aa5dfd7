"""What a broken or hostile client may send: each gets its answer, and nothing else happens."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from assistant.storage.tables import conversation, event
from tests.tools.chat_client import Contact, new_session, until
from tests.tools.chat_server import serve_chat

pytestmark = pytest.mark.integration

REFUSED = json.loads((Path(__file__).parents[2] / "fixtures" / "frames" / "client_refused.json").read_text())
CMID = "1b4e28ba-2fa1-4d2f-883f-0016d3cca427"


@pytest.fixture(autouse=True)
def _no_tracebacks(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Any:
    yield
    assert not [record for record in caplog.records if record.exc_info]
    out = capsys.readouterr()
    assert "Traceback" not in out.out + out.err
    assert "chat_bug" not in out.out + out.err


def stored(server: Any) -> int:
    query = select(func.count()).select_from(event)
    return int(server.chat.storage.read_sync(lambda connection: connection.execute(query).scalar_one()))


async def test_every_golden_refusal_over_the_wire(chat_server: Any) -> None:
    contact = await chat_server.contact()
    for entry in REFUSED:
        async with contact:
            contact.frames.clear()
            await contact.hello()
            await contact.say(entry["raw"])
            if "close" in entry:
                assert (await contact.closed())[0] == entry["close"], entry["name"]
                continue
            assert await contact.expect("nack") == entry["answer"], entry["name"]
            ack = await contact.message("still here")
            assert ack["t"] == "ack", entry["name"]
    assert stored(chat_server) == len([entry for entry in REFUSED if "answer" in entry])


async def test_the_third_bad_frame_closes_with_4400(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        await contact.hello()
        for _ in range(3):
            await contact.say("[")
        assert (await contact.closed())[0] == 4400
        assert [frame["t"] for frame in contact.frames] == ["nack"] * 3


async def test_a_binary_frame_closes_with_1003(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        await contact.hello()
        await contact.say(b'{"t":"ping","n":1}')
        assert (await contact.closed())[0] == 1003


async def test_a_frame_of_64_kib_closes_with_1009(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        await contact.hello()
        await contact.say("x" * 65_537)
        assert (await contact.closed())[0] == 1009


async def test_compression_is_not_negotiated(chat_server: Any) -> None:
    contact = await chat_server.contact()
    contact.options["compression"] = "deflate"
    async with contact:
        assert contact.socket.protocol.extensions == []
        await contact.hello()


@pytest.mark.parametrize(
    "first", [{"t": "msg", "cmid": CMID, "body": "hi"}, {"t": "ping", "n": 1}, {"t": "auth", "token": "x"}]
)
async def test_anything_before_hello_closes_with_4401(chat_server: Any, first: dict[str, Any]) -> None:
    async with await chat_server.contact() as contact:
        await contact.say(first)
        assert (await contact.closed())[0] == 4401
    assert stored(chat_server) == 0


async def test_no_hello_in_five_seconds_closes_with_4408(chat_server: Any) -> None:
    async with await chat_server.contact() as contact:
        started = time.monotonic()
        assert (await contact.closed(timeout_s=20))[0] == 4408
        assert time.monotonic() - started > 4.5


async def test_wrong_and_outlived_tokens_close_with_4401_and_the_same_words(chat_server: Any) -> None:
    token = (await new_session(chat_server.base))["token"]
    deps = chat_server.chat.deps
    real, answers = deps.clock, set()
    for used, clock in ((token[:-1] + "x", real), ("a.b.c", real), (token, lambda: real() + 15 * 60_000)):
        object.__setattr__(deps, "clock", clock)
        async with Contact(chat_server.base, used) as contact:
            await contact.say({"t": "hello", "v": "staywell.chat.v1", "token": used})
            answers.add(await contact.closed())
    object.__setattr__(deps, "clock", real)
    assert answers == {(4401, "token")}


async def test_a_token_in_the_url_is_ignored(chat_server: Any) -> None:
    token = (await new_session(chat_server.base))["token"]
    url = chat_server.base.replace("http", "ws", 1) + f"/ws/chat?token={token}"
    async with connect(url, origin=chat_server.base, compression=None) as sock:
        await sock.send(json.dumps({"t": "ping", "n": 1}))
        await sock.wait_closed()
        assert sock.close_code == 4401


async def test_foreign_and_absent_conversations_look_alike(chat_server: Any) -> None:
    async with await chat_server.contact() as owner:
        await owner.hello()
        await owner.message("private")
        answers = set()
        for conv in (owner.ready["conv"], "01J9ZQ4X7R8T2V3W5Y6Z7A8B9C"):
            for epoch in (owner.ready["epoch"], "0" * 26, None):
                async with await chat_server.contact() as stranger:
                    hello = {"t": "hello", "v": "staywell.chat.v1", "token": stranger.token, "conv": conv}
                    await stranger.say(hello | ({"epoch": epoch} if epoch else {}))
                    answers.add(await stranger.closed())
                    assert stranger.frames == []
    assert answers == {(4403, "forbidden")}


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://evil.example",
        "https://shop.example.evil.example",
        "https://evil-shop.example",
        "http://shop.example",
        "https://shop.example:8443",
        "https://shop.example/path",
    ],
)
async def test_other_origins_are_refused_before_the_handshake(chat_server: Any, origin: str | None) -> None:
    url = chat_server.base.replace("http", "ws", 1) + "/ws/chat"
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, origin=origin, compression=None)
    assert caught.value.response.status_code == 403


async def test_pages_of_the_shop_may_connect(chat_server: Any) -> None:
    contact = await chat_server.contact()
    contact.options["origin"] = "https://shop.example"
    async with contact:
        assert (await contact.hello())["mode"] == "bot"


async def test_a_contact_has_five_connections_at_most(chat_server: Any) -> None:
    first = await chat_server.contact()
    tabs = [await Contact(chat_server.base, first.token).open() for _ in range(6)]
    for tab in tabs[:5]:
        await tab.hello()
    await tabs[5].say({"t": "hello", "v": "staywell.chat.v1", "token": first.token})
    assert (await tabs[5].closed())[0] == 4429
    await tabs[0].socket.close()
    await until(lambda: len(chat_server.chat.live) == 4)
    async with first:
        await first.hello()
    for tab in tabs:
        await tab.socket.close()


async def test_an_address_has_so_many_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.chat.connection.remote_address", lambda _socket: "203.0.113.7")
    async with serve_chat(tmp_path, sockets_per_address=2, messages_per_minute_address=3) as server:
        one, two, three = [await server.contact() for _ in range(3)]
        async with one, two:
            await one.hello()
            await two.hello()
            async with three:
                assert (await three.closed())[0] == 4429
            answers = [await contact.message("hello") for contact in (one, two, one, two)]
            assert [answer["t"] for answer in answers] == ["ack", "ack", "ack", "nack"]
            assert (answers[3]["code"], answers[3]["retry"]) == ("rate", True)


async def test_a_flood_is_refused_then_closed_and_others_go_on(chat_server: Any) -> None:
    object.__setattr__(chat_server.chat.live.allowances, "_per_10s", 5)
    async with await chat_server.contact() as flooder, await chat_server.contact() as other:
        await flooder.hello()
        await other.hello()
        for _ in range(300):
            await flooder.say({"t": "msg", "cmid": str(uuid4()), "body": "x"})
        assert (await other.message("me too"))["t"] == "ack"
        assert (await flooder.closed())[0] == 4429
        nacks = [frame for frame in flooder.frames if frame["t"] == "nack"]
        assert {nack["code"] for nack in nacks} == {"rate"}
        assert all(nack["retry"] and nack["after_ms"] > 0 for nack in nacks)


# --- RFC 6455, on bytes ---------------------------------------------------------------------------------------------


class Raw:
    """A WebSocket handshake, then whatever bytes the test likes."""

    def __init__(self, base: str) -> None:
        self.base = base
        host, port = base.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET /ws/chat HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nOrigin: {base}\r\n\r\n"
        )
        self.socket.sendall(request.encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        assert head.startswith(b"HTTP/1.1 101")

    def frame(self, opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True, reserved: int = 0) -> None:
        """Sends one frame, well formed or not."""
        first = (0x80 if fin else 0) | reserved << 4 | opcode
        mask = b"\x01\x02\x03\x04"
        length = len(payload)
        bit = 0x80 if masked else 0
        if length < 126:
            head = struct.pack("!BB", first, bit | length)
        elif length < 65_536:
            head = struct.pack("!BBH", first, bit | 126, length)
        else:
            head = struct.pack("!BBQ", first, bit | 127, length)
        body = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload)) if masked else payload
        self.socket.sendall(head + (mask if masked else b"") + body)

    def close_code(self) -> int | None:
        """The code of the server's close frame; None when it just goes away."""
        data = b""
        while True:
            try:
                chunk = self.socket.recv(4096)
            except ConnectionError:
                break
            if not chunk:
                break
            data += chunk
        self.socket.close()
        place = data.rfind(b"\x88")
        return None if place < 0 else int.from_bytes(data[place + 2 : place + 4], "big")


async def raw(server: Any, use: Any) -> int | None:
    def run() -> int | None:
        connection = Raw(server.base)
        use(connection)
        return connection.close_code()

    return await asyncio.to_thread(run)


TEXT, BINARY, CONTINUATION, CLOSE, PING = 1, 2, 0, 8, 9


@pytest.mark.parametrize(
    ("use", "code"),
    [
        pytest.param(lambda to: to.frame(TEXT, b"\xff\xfe"), 1007, id="text that is not UTF-8"),
        pytest.param(lambda to: to.frame(TEXT, b'{"t":"\xed\xa0\x80"}'), 1007, id="a surrogate in UTF-8"),
        pytest.param(lambda to: to.frame(PING, b"x" * 126), 1002, id="a ping of 126 bytes"),
        pytest.param(lambda to: to.frame(TEXT, b"{}", reserved=4), 1002, id="a reserved bit"),
        pytest.param(lambda to: to.frame(TEXT, b"{}", masked=False), 1002, id="an unmasked frame"),
        pytest.param(lambda to: to.frame(3, b"{}"), 1002, id="an unknown opcode"),
        pytest.param(lambda to: to.frame(CONTINUATION, b"{}"), 1002, id="a continuation of nothing"),
        pytest.param(lambda to: to.frame(PING, b"x", fin=False), 1002, id="a fragmented ping"),
        pytest.param(lambda to: (to.frame(TEXT, b"{", fin=False), to.frame(TEXT, b"}")), 1002, id="text within text"),
        pytest.param(lambda to: to.frame(CLOSE, b"x"), 1002, id="a close of one byte"),
        pytest.param(lambda to: to.frame(CLOSE, struct.pack("!H", 1005)), 1002, id="a close code that nobody may send"),
        pytest.param(lambda to: to.frame(CLOSE, struct.pack("!H", 999)), 1002, id="a close code that is none"),
        pytest.param(
            lambda to: to.frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007, id="a reason that is not UTF-8"
        ),
        pytest.param(lambda to: to.frame(CLOSE, struct.pack("!H", 1000) + b"x" * 124), 1002, id="a long close"),
        pytest.param(lambda to: to.frame(CLOSE, struct.pack("!H", 1000)), 1000, id="a good close is echoed"),
        pytest.param(lambda to: to.socket.sendall(b"\x81\xff" + b"\xff" * 8 + b"mask"), 1009, id="the longest length"),
        pytest.param(lambda to: to.socket.sendall(b"\x81\xff\x00\x00\x00\x01" + b"\0" * 8), 1009, id="4 GiB promised"),
    ],
)
async def test_broken_websocket_frames(chat_server: Any, use: Any, code: int) -> None:
    assert await raw(chat_server, use) == code


async def test_an_empty_ping_is_answered_and_a_pong_unasked_is_nothing(chat_server: Any) -> None:
    def run() -> bytes:
        connection = Raw(chat_server.base)
        connection.frame(10, b"unasked")
        connection.frame(PING, b"")
        connection.frame(PING, b"x" * 125)
        answer = b""
        while len(answer) < 2 + 127:
            answer += connection.socket.recv(4096)
        connection.socket.close()
        return answer

    assert await asyncio.to_thread(run) == b"\x8a\x00" + b"\x8a\x7d" + b"x" * 125


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"), id="another version"),
        pytest.param(("Sec-WebSocket-Key: ", "X-Key: "), id="no key"),
        pytest.param(("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: x"), id="a key that is none"),
        pytest.param(("Upgrade: websocket", "Upgrade: h2c"), id="another protocol"),
        pytest.param(("Connection: Upgrade", "Connection: close"), id="no upgrade"),
        pytest.param(("GET ", "POST "), id="another method"),
    ],
)
async def test_a_handshake_that_is_none_opens_no_socket(chat_server: Any, change: tuple[str, str]) -> None:
    host, port = chat_server.base.removeprefix("http://").split(":")
    request = (
        f"GET /ws/chat HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(b'k' * 16).decode()}\r\nSec-WebSocket-Version: 13\r\n"
        f"Origin: {chat_server.base}\r\n\r\n"
    ).replace(*change)

    def run() -> bytes:
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(request.encode())
            return connection.recv(4096)

    answer = await asyncio.to_thread(run)
    assert answer.startswith(b"HTTP/1.1 4"), answer


async def test_endless_fragments_close_with_1009(chat_server: Any) -> None:
    def use(to: Raw) -> None:
        to.frame(TEXT, b"{", fin=False)
        for _ in range(16):  # not one more: a reset would overtake the close frame
            to.frame(CONTINUATION, b"x" * 1024, fin=False)

    assert await raw(chat_server, use) == 1009


async def test_dripping_fragments_are_cut_off_by_the_hello_deadline(chat_server: Any) -> None:
    def use(to: Raw) -> None:
        to.frame(TEXT, b"{", fin=False)
        until = time.monotonic() + 5.5
        while time.monotonic() < until:
            try:
                to.frame(CONTINUATION, b"x", fin=False)
            except OSError:
                return
            time.sleep(0.2)

    assert await raw(chat_server, use) == 4408


async def test_a_message_in_fragments_is_one_message(chat_server: Any) -> None:
    token = (await new_session(chat_server.base))["token"]

    def run() -> bytes:
        connection = Raw(chat_server.base)
        hello = json.dumps({"t": "hello", "v": "staywell.chat.v1", "token": token}).encode()
        connection.frame(TEXT, hello[:10], fin=False)
        connection.frame(PING, b"between")
        for byte in hello[10:-1]:
            connection.frame(CONTINUATION, bytes([byte]), fin=False)
        connection.frame(CONTINUATION, hello[-1:])
        answer = b""
        while b'"ready"' not in answer:
            answer += connection.socket.recv(4096)
        connection.socket.close()
        return answer

    assert b'"t":"ready"' in await asyncio.to_thread(run)


async def test_a_reset_in_the_middle_of_a_frame_harms_nobody(chat_server: Any) -> None:
    def run() -> None:
        connection = Raw(chat_server.base)
        connection.socket.sendall(b"\x81\xfe\x10\x00\x01\x02\x03\x04half")
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()

    for _ in range(20):
        await asyncio.to_thread(run)
    async with await chat_server.contact() as contact:
        await contact.hello()
        assert (await contact.message("fine"))["t"] == "ack"
    query = select(func.count()).select_from(conversation)
    assert chat_server.chat.storage.read_sync(lambda connection: connection.execute(query).scalar_one()) == 1
