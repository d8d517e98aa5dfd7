"""Kills a server again and again while contacts talk, and counts what that did to their messages.

`python -m tests.tools.kill_run --kills 100 --clients 20` prints one JSON object. What must be zero: `lost` (acknowledged, yet not
in the log), `doubled` (twice in the log), `gaps` (in seq), `views_differ` (a contact who ends up seeing anything but the log).
With `--whole` it is the product with its turns that is killed; one contact in four asks for a person on the way, in words or by the
button, and `staywell doctor` looks at what is left.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from assistant.storage.engine import Storage
from tests.tools.chat_server import build, free_port
from tests.tools.left_behind import consult, examine, examine_turns, sqlite_url
from tests.tools.run_report import Report, summary
from tests.tools.server_process import GENEROUS, ServerProcess
from tests.tools.talkers import PATIENT_S, QUIET_S, conclude, finish, some_ask_for_a_person, talkers


async def kill_run(
    data_dir: Path,
    *,
    kills: int,
    clients: int,
    seed: int = 1,
    extra: tuple[str, ...] = (),
    pause_s: float = 0.05,
    life_s: float = 1.0,
    whole: bool = False,
    minutes: float | None = None,
) -> Report:
    """Kills the server `kills` times under the load of `clients` contacts; fewer times when `minutes` are over before.

    `life_s`: how long it lives at most before it is killed; a reply takes a second and more, for the contact may go on writing.
    `whole`: the whole product, with its turns: every message must then have had its one score, decision and outcome.
    """
    draw, report, began = random.Random(seed), Report(), time.monotonic()
    port, url = free_port(), sqlite_url(data_dir)
    environment = {**os.environ, **GENEROUS}
    server = ServerProcess(data_dir, port, extra)
    if whole:
        build(data_dir, port=port).close()  # the site
        server = ServerProcess(data_dir, port, environment=environment, module=("assistant.cli", "serve"))
    await server.start()
    people = await talkers(server.base, clients, report, quiet_s=PATIENT_S if whole else QUIET_S)
    if whole:
        some_ask_for_a_person(people)
    tasks = [asyncio.create_task(person.run(random.Random(draw.random()), pause_s)) for person in people]
    try:
        while report.kills < kills and (minutes is None or time.monotonic() - began < minutes * 60):
            await asyncio.sleep(draw.uniform(0.2, life_s))
            await server.kill()
            report.kills += 1
            await server.start()
        await asyncio.sleep(0.5)
        if whole:
            await conclude(url, people, tasks)
        report.unfinished = await finish(people, tasks)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await server.kill()
    for end in ends:
        if isinstance(end, Exception):
            raise end
    storage = Storage(url)
    examine(report, storage, people)
    if whole:
        examine_turns(report, storage)
    storage.close()
    if whole:
        report.ill = await consult(data_dir, environment)
    report.seconds = round(time.monotonic() - began, 1)
    return report


def main() -> int:
    """Runs from the command line; the exit code tells whether all was clean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="the whole product, with its turns")
    parser.add_argument("--pause", type=float, default=0.05, help="longest pause between a contact's messages, seconds")
    parser.add_argument("--life", type=float, default=1.0, help="longest life of the server between two kills, seconds")
    parser.add_argument("--minutes", type=float, help="stop killing after so many, however few kills that were")
    parser.add_argument("--bug", help="seed a bug into the server: the run must then not be clean")
    arguments = parser.parse_args()
    extra = ("--bug", arguments.bug) if arguments.bug else ()
    with TemporaryDirectory() as folder:
        report = asyncio.run(
            kill_run(
                Path(folder),
                kills=arguments.kills,
                clients=arguments.clients,
                seed=arguments.seed,
                extra=extra,
                pause_s=arguments.pause,
                life_s=arguments.life,
                whole=arguments.whole,
                minutes=arguments.minutes,
            )
        )
    sys.stdout.write(json.dumps(summary(report)) + "\n")
    return 0 if report.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
