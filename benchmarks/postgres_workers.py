"""Acknowledged messages a second with one and with two chat workers over one PostgreSQL.

`python -m benchmarks.postgres_workers [--contacts 32] [--seconds 10]` starts a PostgreSQL of its own with fsync, then workers in
processes of their own, and prints one JSON object. Each contact sends its next message as soon as the last one is acknowledged. On
a machine with few processors the contacts, the workers and the database share them, and two workers cannot show what they can do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.tools.chat_client import Contact, new_session
from tests.tools.chat_server import free_port
from tests.tools.kill_run import ServerProcess
from tests.tools.postgres import Cluster, cluster


async def _run(url: str, folder: Path, workers: int, contacts: int, seconds: float) -> tuple[float, float]:
    """Acks a second, and their 95th percentile in milliseconds."""
    environment = {**os.environ, "STAYWELL_DATABASE_URL": url}
    async with AsyncExitStack() as stack:
        servers = []
        for _ in range(workers):
            server = ServerProcess(folder, free_port(), environment=environment)
            await server.start()
            stack.push_async_callback(server.kill)
            servers.append(server)
        people = []
        for n in range(contacts):
            base = servers[n % workers].base
            person = await Contact(base, (await new_session(base))["token"]).open()
            await person.hello()
            people.append(person)
        waits: list[float] = []
        until = time.monotonic() + seconds

        async def talk(person: Contact) -> None:
            while time.monotonic() < until:
                started = time.monotonic()
                await person.message("Where is my order?")
                waits.append(time.monotonic() - started)
                person.frames.clear()

        await asyncio.gather(*(talk(person) for person in people))
        for person in people:
            person.socket.transport.abort()
    return len(waits) / seconds, sorted(waits)[int(len(waits) * 0.95)] * 1000


def measure(database: Cluster, folder: Path, contacts: int, seconds: float) -> dict[str, Any]:
    """One worker, then two, each on a database of its own."""
    rates, waits = {}, {}
    for workers in (1, 2):
        rates[workers], waits[workers] = asyncio.run(_run(database.migrated(), folder, workers, contacts, seconds))
    return {
        "contacts": contacts,
        "processors": len(os.sched_getaffinity(0)),
        "acks_per_s": {workers: round(rate) for workers, rate in rates.items()},
        "ack_p95_ms": {workers: round(wait, 1) for workers, wait in waits.items()},
        "two_to_one": round(rates[2] / rates[1], 2),
    }


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    with cluster(durable=True) as database, TemporaryDirectory() as folder:
        found = measure(database, Path(folder), arguments.contacts, arguments.seconds)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
