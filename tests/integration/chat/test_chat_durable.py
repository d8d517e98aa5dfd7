"""Power loss, as far as a container can show it: no ack leaves before the sync of its commit."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.tools.chat_client import Contact, new_session
from tests.tools.chat_server import free_port
from tests.tools.server_process import ServerProcess

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        shutil.which("strace") is None and os.environ.get("CI") != "true",
        reason="NOT RUN: no strace to watch the order of sync and send (apt install strace)",
    ),
]

MESSAGES = 20


async def test_every_ack_follows_a_sync(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "var", free_port())
    await server.start()
    trace = tmp_path / "trace"
    watcher = await asyncio.create_subprocess_exec(
        "strace", "-f", "-s", "120", "-e", "trace=fdatasync,fsync,write,writev,sendto,sendmsg", "-o", str(trace),
        "-p", str(server.pid), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert watcher.stderr is not None
        said = (await asyncio.wait_for(watcher.stderr.readline(), 10)).decode()
        if "attached" not in said:
            if os.environ.get("CI") == "true":
                pytest.fail(f"strace may not watch processes here: {said}")
            pytest.skip(f"NOT RUN: strace may not watch processes here: {said}")
        async with Contact(server.base, (await new_session(server.base))["token"]) as contact:
            await contact.hello()
            for n in range(MESSAGES):
                assert (await contact.message(f"message {n}"))["t"] == "ack"
    finally:
        await server.kill()
        await asyncio.wait_for(watcher.wait(), 10)
    synced, acks = False, 0
    for line in trace.read_text(errors="replace").splitlines():
        if re.search(r"(fdatasync|fsync)(\(\d+\)| resumed>\)) += 0", line):
            synced = True
        elif r"\"t\":\"ack\"" in line:
            assert synced, f"an ack left before a sync: {line}"
            synced, acks = False, acks + 1
    assert acks == MESSAGES, trace.read_text(errors="replace")[-2000:]
