"""Rolling restarts of the whole product under load: every worker replaced, one at a time, again and again while contacts talk.

`python -m tests.tools.roll_run --rounds 20 --clients 20` prints one JSON object. What must be zero when a server is killed (see
`kill_run`) must be zero here, and a connection may only end by a drain or with 1012. It starts a PostgreSQL of its own, with fsync.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Set
from pathlib import Path
from tempfile import TemporaryDirectory

from assistant.storage.engine import Storage
from tests.tools.chat_server import build, free_port
from tests.tools.left_behind import consult, examine, examine_turns
from tests.tools.postgres import cluster
from tests.tools.run_report import Report, summary
from tests.tools.server_process import GENEROUS, ServerProcess
from tests.tools.talkers import PATIENT_S, conclude, finish, some_ask_for_a_person, talkers

DEPLOY = 1012


def workers_of(pid: int) -> set[int]:
    """The children of a process."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


async def _complete(server: ServerProcess, count: int, *, without: Set[int] = frozenset()) -> list[int]:
    """Waits until there are so many workers, none of them `without`. Raises RuntimeError when their parent ends instead."""
    async with asyncio.timeout(600):
        while (now := workers_of(server.pid)) & without or len(now) != count:  # noqa: ASYNC110 - another process works
            await asyncio.sleep(0.05)
    return sorted(now)


async def _roll(server: ServerProcess, count: int) -> None:
    """Asks for a rolling restart and waits for its end."""
    old = workers_of(server.pid)
    os.kill(server.pid, signal.SIGHUP)
    await _complete(server, count, without=old)


async def roll_run(
    data_dir: Path,
    url: str,
    *,
    rounds: int,
    clients: int,
    workers: int = 2,
    kills: int = 0,
    pause_s: float = 2.0,
    seed: int = 1,
) -> Report:
    """So many rolling restarts, then so many workers killed: the others take their turns over."""
    draw, report, began = random.Random(seed), Report(), time.monotonic()
    environment = {**os.environ, **GENEROUS, "STAYWELL_DATABASE_URL": url, "STAYWELL_TURN_LEASE_MS": "2000"}
    port = free_port()
    build(data_dir, port=port, database_url=url).close()  # the site
    module = ("assistant.cli", "serve", "--workers", str(workers))
    server = ServerProcess(data_dir, port, environment=environment, module=module)
    await server.start()
    await _complete(server, workers)
    people = await talkers(server.base, clients, report, quiet_s=PATIENT_S)
    some_ask_for_a_person(people)
    tasks = [asyncio.create_task(person.run(random.Random(draw.random()), pause_s)) for person in people]
    try:
        await asyncio.sleep(1)
        for _ in range(rounds):
            await _roll(server, workers)
            report.faults += 1
        foul = {code: times for code, times in report.close_codes.items() if code != DEPLOY}
        report.unfriendly = sum(foul.values())
        for _ in range(kills):
            os.kill(draw.choice(await _complete(server, workers)), signal.SIGKILL)
            report.kills += 1
            await asyncio.sleep(draw.uniform(0.5, 1.5))
        await conclude(url, people, tasks)
        report.unfinished = await finish(people, tasks)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await server.kill(signal.SIGTERM)
    for end in ends:
        if isinstance(end, Exception):
            raise end
    storage = Storage(url)
    examine(report, storage, people)
    examine_turns(report, storage)
    await asyncio.to_thread(storage.close)
    report.ill = await consult(data_dir, environment)
    report.seconds = round(time.monotonic() - began, 1)
    return report


def main() -> int:
    """Runs from the command line; the exit code tells whether all was clean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=0, help="workers to kill afterwards")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=2.0, help="longest pause between a contact's messages, seconds")
    arguments = parser.parse_args()
    with cluster(durable=True) as database, TemporaryDirectory() as folder:
        report = asyncio.run(
            roll_run(
                Path(folder),
                database.migrated(),
                rounds=arguments.rounds,
                clients=arguments.clients,
                workers=arguments.workers,
                kills=arguments.kills,
                pause_s=arguments.pause,
                seed=arguments.seed,
            )
        )
    sys.stdout.write(json.dumps(summary(report)) + "\n")
    return 0 if report.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
