"""Memory that an idle connection costs the server.

`python -m benchmarks.idle_connections [--connections 5000]` starts a chat server in a process of its own, opens so many connections
that say hello and then nothing, and prints one JSON object: resident memory a connection, at half of them and at all, so that what
is paid once drops out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.tools.chat_client import Contact, new_session
from tests.tools.chat_server import free_port
from tests.tools.server_process import ServerProcess
from tests.tools.stall_run import memory_mib

AT_ONCE = 50
PING_S = 15.0  # a silent connection would be closed after 40 s


async def measure(folder: Path, connections: int) -> dict[str, Any]:
    """Opens the connections in batches, each contact with a connection of its own conversation."""
    server = ServerProcess(folder, free_port())
    await server.start()
    held: list[Contact] = []

    async def open_one(token: str) -> None:
        contact = await Contact(server.base, token, ping_interval=None).open()
        await contact.hello()
        held.append(contact)

    async def keep_alive() -> None:
        while True:
            await asyncio.sleep(PING_S)
            for contact in tuple(held):
                await contact.say({"t": "ping", "n": 1})

    pinging = asyncio.create_task(keep_alive())
    try:
        token = (await new_session(server.base))["token"]
        marks = [memory_mib(server.pid)]
        began = time.monotonic()
        for half in (connections // 2, connections):
            while len(held) < half:
                if len(held) % 500 == 0:  # a thousand connections a contact is what this server allows
                    token = (await new_session(server.base))["token"]
                await asyncio.gather(*(open_one(token) for _ in range(min(AT_ONCE, half - len(held)))))
            await asyncio.sleep(1)
            marks.append(memory_mib(server.pid))
        took = time.monotonic() - began
    finally:
        pinging.cancel()
        for contact in held:
            contact.socket.transport.abort()
        await server.kill()
    return {
        "connections": connections,
        "server_mib": marks,
        "kib_each": round((marks[2] - marks[1]) * 1024 / (connections - connections // 2), 1),
        "kib_each_from_start": round((marks[2] - marks[0]) * 1024 / connections, 1),
        "opened_per_s": round(connections / took),
    }


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), arguments.connections))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
