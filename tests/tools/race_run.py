"""Many processes race for one offer, again and again: `python -m tests.tools.race_run --races 1000 --processes 8`.

Every process has its own connection to the same database. In each race all of them try to take the same task at the same time,
half by the offer (made to one agent, who has that many consoles), half by claiming it. One JSON object is printed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, func, insert, select

from assistant.conversations.store import open_conversation
from assistant.errors import StaywellError
from assistant.escalation import commands, presence, store
from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.storage import migrate
from assistant.storage.engine import Storage
from assistant.storage.tables import agent, contact, event, site, task

CAPACITY = 1_000_000


def run(url: str, *, races: int, processes: int) -> dict[str, Any]:
    """Races on the database at `url`, which is migrated. Gives {races, processes, winners, joined, refusals, errors, seconds}:
    `winners` counts races by how many won, `joined` the `joined` events."""
    storage = Storage(url)
    staff = storage.write_sync(lambda connection: _open_shop(connection, processes))
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    pipes, workers = [], []
    for number, who in enumerate(staff):
        here, there = context.Pipe()
        worker = context.Process(target=_racer, args=(url, number, who, staff[0], barrier, there))
        worker.start()
        pipes.append(here)
        workers.append(worker)
    winners: Counter[int] = Counter()
    refusals: Counter[str] = Counter()
    errors: list[str] = []
    began = time.monotonic()
    try:
        for race in range(races):
            task_id, offer_id = storage.write_sync(lambda connection, race=race: _offer(connection, staff[0], race))
            for pipe in pipes:
                pipe.send((task_id, offer_id))
            answers = [pipe.recv() for pipe in pipes]
            winners[answers.count("won")] += 1
            refusals.update(answer for answer in answers if answer in ("gone", "taken", "closed"))
            errors += [answer for answer in answers if answer not in ("won", "gone", "taken", "closed")]
    finally:
        for pipe in pipes:
            pipe.send(None)
        for worker in workers:
            worker.join(30)
    seconds = time.monotonic() - began
    joined = storage.read_sync(
        lambda connection: connection.execute(select(func.count()).where(event.c.kind == "joined")).scalar_one()
    )
    held = storage.read_sync(
        lambda connection: connection.execute(select(func.count()).where(task.c.state == "assigned")).scalar_one()
    )
    storage.close()
    return {
        "races": races,
        "processes": processes,
        "winners": {str(count): times for count, times in sorted(winners.items())},
        "joined": joined,
        "assigned": held,
        "refusals": dict(refusals),
        "errors": errors[:5],
        "seconds": round(seconds, 2),
    }


def _racer(url: str, number: int, who: Agent, offered: Agent, barrier: Barrier, pipe: Pipe) -> None:
    storage = Storage(url)
    while (asked := pipe.recv()) is not None:
        task_id, offer_id = asked
        by_offer = number % 2 == 0
        barrier.wait()
        try:
            storage.write_sync(
                lambda connection, by_offer=by_offer, task_id=task_id, offer_id=offer_id: commands.accept(
                    connection,
                    offered if by_offer else who,
                    task_id,
                    offer_id if by_offer else None,
                    now=time.time_ns() // 1_000_000,
                )
            )
        except StaywellError as error:
            pipe.send(error.reason)
        else:
            pipe.send("won")
    storage.close()


def _open_shop(connection: Connection, agents: int) -> list[Agent]:
    site_id, now = new_id(), time.time_ns() // 1_000_000
    connection.execute(
        insert(site).values(id=site_id, key="race", name="R", origins=[], holdout_salt="x", created_at=now)
    )
    connection.execute(insert(contact).values(id=site_id, site_id=site_id, customer_key="k", first_seen_at=now))
    staff = [Agent(new_id(), site_id, f"Agent {n}", "agent", capacity=CAPACITY) for n in range(agents)]
    for who in staff:
        connection.execute(
            insert(agent).values(
                id=who.id,
                site_id=site_id,
                login=who.id,
                name=who.name,
                password_hash="-",
                role="agent",
                capacity=CAPACITY,
                created_at=now,
            )
        )
        presence.beat(connection, who.id, now=now)
    return staff


def _offer(connection: Connection, who: Agent, race: int) -> tuple[str, str | None]:
    """A task, offered to `who` in every second race, queued in the others."""
    now = time.time_ns() // 1_000_000
    conv = open_conversation(connection, site_id=who.site_id, contact_id=who.site_id, locale="en", now=now)
    store.escalate(connection, conv, by="rule", reason="asked_for_human", now=now)
    row = connection.execute(select(task).where(task.c.conversation_id == conv)).mappings().one()
    if race % 2:
        return row["id"], None
    moved = commands.offer(connection, row, who.id, deadline=now + 60_000, now=now)
    return moved.task.id, moved.task.offer_id


def main() -> int:
    """Runs it on an SQLite file in a temporary folder, or on --url."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--races", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--url", help="a database to use; it is migrated and kept")
    chosen = parser.parse_args()
    with TemporaryDirectory() as folder:
        url = chosen.url or f"sqlite:///{(Path(folder) / 'race.db').as_posix()}"
        migrate.upgrade(url)
        found = run(url, races=chosen.races, processes=chosen.processes)
    sys.stdout.write(json.dumps(found) + "\n")
    return 0 if found["winners"] == {"1": chosen.races} and not found["errors"] else 1


if __name__ == "__main__":
    sys.exit(main())
