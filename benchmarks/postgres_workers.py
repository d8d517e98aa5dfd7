"""Acknowledged messages a second with one and with two chat workers over one PostgreSQL.

`python -m benchmarks.postgres_workers [--contacts 32] [--seconds 10] [--share 0.2]` starts a PostgreSQL of its own with fsync, then
workers in processes of their own, and prints one JSON object. Each contact sends its next message as soon as the last one is
acknowledged.

On a machine with few processors contacts, workers and database share them, and two workers cannot show what they can do. With
`--share` each worker is held to that share of a processor, so that the workers are the narrow place, as they are where each has a
processor to itself: what is then shown is whether the database and its locks let two workers do twice the work of one.
`processor_ms_an_ack` says who works how much for an acknowledgement. From it follows `most_here`, for a quiet machine: a saturated
worker gives an ack in its own processor time for one, and all together cannot give more than fits into the processors. Where that
is below 1.7, the machine is too small to show more without `--share`, whatever the code. (On a busy machine two workers may show
more: they get more of it than one.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.tools.chat_client import Contact, new_session
from tests.tools.chat_server import free_port
from tests.tools.postgres import Cluster, cluster
from tests.tools.server_process import ServerProcess
from tests.tools.throttle import Throttle, worked_s

WARM_S = 1.0


@dataclass(frozen=True, slots=True)
class Run:
    """What a number of workers did. Processor time in milliseconds an acknowledgement."""

    acks_per_s: float
    ack_p95_ms: float
    workers_ms: float
    database_ms: float
    contacts_ms: float


async def _run(
    database: Cluster, folder: Path, *, workers: int, contacts: int, seconds: float, share: float | None
) -> Run:
    environment = {**os.environ, "STAYWELL_DATABASE_URL": database.migrated()}
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
            await person.message("hello")  # the conversation is born
            people.append(person)
        waits: list[float] = []
        stack.enter_context(nullcontext() if share is None else Throttle((server.pid for server in servers), share))

        async def talk(person: Contact, until: float) -> None:
            while time.monotonic() < until:
                started = time.monotonic()
                await person.message("Where is my order?")
                waits.append(time.monotonic() - started)
                person.frames.clear()

        async def all_talk(for_s: float) -> None:
            until = time.monotonic() + for_s
            await asyncio.gather(*(talk(person, until) for person in people))

        def work() -> list[float]:
            pids = [server.pid for server in servers]
            return [sum(map(worked_s, pids)), sum(map(worked_s, database.pids())), time.process_time()]

        await all_talk(WARM_S)
        waits.clear()
        before, began = work(), time.monotonic()
        await all_talk(seconds)
        took = time.monotonic() - began
        spent = [(after - earlier) / len(waits) * 1000 for earlier, after in zip(before, work(), strict=True)]
        for person in people:
            person.socket.transport.abort()
    return Run(len(waits) / took, sorted(waits)[int(len(waits) * 0.95)] * 1000, *spent)


def _most(one: Run, processors: int) -> float:
    """How many times the acks of one saturated worker two could give where all of them share the processors; 2 at most."""
    together = one.workers_ms + one.database_ms + one.contacts_ms
    return min(2.0, processors * one.workers_ms / together)


def measure(database: Cluster, folder: Path, contacts: int, seconds: float, share: float | None) -> dict[str, Any]:
    """One worker, then two, each number on a database of its own."""
    runs = {
        workers: asyncio.run(_run(database, folder, workers=workers, contacts=contacts, seconds=seconds, share=share))
        for workers in (1, 2)
    }
    processors = len(os.sched_getaffinity(0))
    return {
        "contacts": contacts,
        "processors": processors,
        "share_of_a_processor": share,
        "acks_per_s": {workers: round(run.acks_per_s) for workers, run in runs.items()},
        "ack_p95_ms": {workers: round(run.ack_p95_ms, 1) for workers, run in runs.items()},
        "processor_ms_an_ack": {
            workers: {
                "workers": round(run.workers_ms, 2),
                "database": round(run.database_ms, 2),
                "contacts": round(run.contacts_ms, 2),
            }
            for workers, run in runs.items()
        },
        "two_to_one": round(runs[2].acks_per_s / runs[1].acks_per_s, 2),
        "most_here": None if share is not None else round(_most(runs[1], processors), 2),
    }


def main() -> None:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--share", type=float, help="of a processor that each worker may use")
    arguments = parser.parse_args()
    with cluster(durable=True) as database, TemporaryDirectory() as folder:
        found = measure(database, Path(folder), arguments.contacts, arguments.seconds, arguments.share)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
