"""A disk that is full, one that cannot sync, one that loses what it could not sync, and a loss of power, while contacts talk.

`python -m tests.tools.disk_run --rounds 20 --clients 10` prints one JSON object. No message may be acknowledged that is not stored
(`lost`), reading must go on meanwhile, all must recover by itself, and the file must be whole in the end (`ill`). After a loss of
power (`kills`) the server is started again, on what was on the disk; what it had acknowledged must be there. How the disk behaves
stands in `bad_disk.c`. Needs a C compiler.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from assistant.storage.engine import Storage
from tests.tools.chat_server import free_port
from tests.tools.left_behind import examine
from tests.tools.run_report import Report, summary
from tests.tools.server_process import ServerProcess
from tests.tools.talkers import Talker, talkers

SOURCE = Path(__file__).with_name("bad_disk.c")
WAYS, NO_POWER, WELL = "wslp", "p", "-"  # full, no sync, no sync and lost, no power; see bad_disk.c


def compiler() -> str | None:
    """The C compiler of this machine."""
    return shutil.which("cc") or shutil.which("gcc")


def build_bad_disk(folder: Path) -> Path:
    """Compiles the failing disk."""
    found = compiler()
    if found is None:
        raise RuntimeError("no C compiler")
    library = folder / "bad_disk.so"
    subprocess.run([found, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


async def _readable(base: str, person: Talker) -> bool:
    """Whether history can be read now."""
    if person.conv is None or not person.view:
        return True
    async with httpx.AsyncClient(base_url=base) as http:
        answer = await http.get(
            "/api/widget/history",
            params={"conv": person.conv},
            headers={"Authorization": f"Bearer {person.session['token']}"},
        )
        return answer.status_code == 200 and bool(answer.json()["events"])


async def _ready(base: str) -> bool:
    """Whether the server says that it takes messages."""
    async with httpx.AsyncClient(base_url=base) as http:
        return (await http.get("/readyz")).status_code == 200


async def disk_run(
    folder: Path,
    *,
    rounds: int,
    clients: int,
    seed: int = 1,
    least_acked: int = 0,
    ways: str = WAYS,
    extra: tuple[str, ...] = (),
    patience_s: float = 60,
) -> Report:
    """Fails the disk `rounds` times, in each of the `ways` in turn, and on until so many messages were acked.

    Contacts have `patience_s` in the end to be told of all that they were told of before."""
    draw, report, began = random.Random(seed), Report(), time.monotonic()
    library, flag = build_bad_disk(folder), folder / "disk"
    flag.write_text(WELL)
    data_dir = folder / "var"
    environment = {**os.environ, "LD_PRELOAD": str(library), "BAD_DISK": str(flag)}
    with (folder / "output.log").open("wb") as output:
        server = ServerProcess(data_dir, free_port(), extra, output=output, environment=environment)
        await server.start()
        people = await talkers(server.base, clients, report)
        tasks = [asyncio.create_task(person.run(random.Random(draw.random()), 0.02)) for person in people]
        try:
            await asyncio.sleep(1)
            while report.faults < rounds or sum(len(person.acked) for person in people) < least_acked:
                how = ways[report.faults % len(ways)]
                flag.write_text(how)
                if how == NO_POWER:
                    await server.ended(30)
                    report.kills += 1
                    flag.write_text(WELL)
                    try:
                        await server.start()
                    except RuntimeError as error:
                        report.ill.append(f"after a loss of power: {error}")
                        break
                else:
                    await asyncio.sleep(draw.uniform(0.3, 0.8))
                    report.unreadable += not await _readable(server.base, draw.choice(people))
                    report.ready_wrongly += await _ready(server.base)
                    await asyncio.sleep(draw.uniform(0.1, 0.3))
                    flag.write_text(WELL)
                report.faults += 1
                await asyncio.sleep(draw.uniform(0.5, 1.5))
                report.ready_wrongly += not await _ready(server.base)
            for person in people:
                person.stop = True
            _, late = await asyncio.wait(tasks, timeout=patience_s)
            report.unfinished = len(late)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            await server.kill()
    for end in ends:
        if isinstance(end, Exception):
            raise end
    if not report.ill:
        storage = Storage(f"sqlite:///{(data_dir / 'staywell.db').as_posix()}")
        examine(report, storage, people)
        found = storage.read_sync(lambda connection: connection.exec_driver_sql("PRAGMA integrity_check").scalar_one())
        report.ill += [] if found == "ok" else [str(found)]
        storage.close()
    report.seconds = round(time.monotonic() - began, 1)
    return report


def main() -> int:
    """Runs from the command line; the exit code tells whether all was clean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--least-acked", type=int, default=1000)
    parser.add_argument(
        "--ways", default=WAYS, help="w: full, s: cannot sync, l: loses what it cannot sync, p: no power"
    )
    parser.add_argument("--bug", help="seed a bug into the server: the run must then not be clean")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        report = asyncio.run(
            disk_run(
                Path(folder),
                rounds=arguments.rounds,
                clients=arguments.clients,
                least_acked=arguments.least_acked,
                ways=arguments.ways,
                extra=("--bug", arguments.bug) if arguments.bug else (),
            )
        )
    sys.stdout.write(json.dumps(summary(report)) + "\n")
    return 0 if report.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
