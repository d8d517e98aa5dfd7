"""No descriptors left: new connections wait or are refused, those that are there go on, and all recovers by itself."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException

from tests.tools.chat_client import Contact, new_session, until
from tests.tools.chat_server import free_port
from tests.tools.server_process import ServerProcess

pytestmark = pytest.mark.integration

DESCRIPTORS = 96


async def test_a_server_without_descriptors_keeps_serving_whom_it_has(tmp_path: Path) -> None:
    port = free_port()
    with (tmp_path / "output").open("wb") as output:
        server = ServerProcess(tmp_path / "var", port, ("--descriptors", str(DESCRIPTORS)), output=output)
        await server.start()
        pid, crowd = server.pid, []
        try:
            async with Contact(server.base, (await new_session(server.base))["token"]) as contact:
                await contact.hello()
                for _ in range(2 * DESCRIPTORS):
                    one = socket.socket()
                    one.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        one.connect(("127.0.0.1", port))
                    crowd.append(one)
                await until(lambda: len(list(Path(f"/proc/{pid}/fd").iterdir())) >= DESCRIPTORS - 1)
                for n in range(10):
                    assert (await contact.message(f"message {n}"))["t"] == "ack"
                for one in crowd:
                    one.close()
                async with asyncio.timeout(10):
                    while True:
                        with contextlib.suppress(OSError, WebSocketException):
                            async with Contact(server.base, contact.token, open_timeout=1) as other:
                                await other.hello()
                                assert (await other.message("I am back"))["t"] == "ack"
                                break
                        await asyncio.sleep(0.1)
            assert server.pid == pid
        finally:
            await server.kill()
    assert b"Traceback" not in (tmp_path / "output").read_bytes()
