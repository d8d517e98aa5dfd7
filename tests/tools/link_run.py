"""Breaks the links between contacts and the chat in every way, and counts what that did.

`python -m tests.tools.link_run --faults 300 --clients 20` prints one JSON object, as `kill_run`. While contacts talk, the bot
writes too, so that both directions matter. `caught_up_p95_s`: from the moment a link is back until its contact has seen all that
was there then and has got across all that was waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from assistant.conversations import store
from assistant.conversations.store import NewEvent
from tests.tools.chat_server import GENEROUS, Chat, build, free_port, serving
from tests.tools.left_behind import examine
from tests.tools.proxy import FAULTS, Mode, Proxy
from tests.tools.run_report import Report, summary
from tests.tools.talkers import Talker, talkers


async def _bot(chat: Chat, people: list[Talker], draw: random.Random) -> None:
    """Says something in a random conversation, again and again."""
    n = 0
    while True:
        await asyncio.sleep(draw.uniform(0.005, 0.05))
        conv = draw.choice(people).conv
        if conv is None:
            continue
        n += 1
        reply = NewEvent("bot", "message", f"reply {n}")
        with contextlib.suppress(Exception):  # the conversation may only be promised yet
            await chat.storage.write(
                lambda connection, conv=conv, reply=reply: store.append(connection, conv, reply, now=1)
            )
            chat.deps.bus.publish(f"conv:{conv}")


async def _break(link: Proxy, person: Talker, mode: Mode, seconds: float, chat: Chat, report: Report) -> None:
    link.set(mode)
    await asyncio.sleep(seconds)
    link.set("pass")
    back = time.monotonic()
    waiting = {cmid for cmid, _ in person.pending}
    conv = person.conv
    head = 0
    if conv is not None:
        found = await chat.storage.read(lambda connection: store.heads(connection, [conv]))
        head = found.get(conv, ("", 0))[1]
    while len(person.view) < head or waiting & {cmid for cmid, _ in person.pending}:
        await asyncio.sleep(0.01)
        if time.monotonic() - back > 30:
            break
    report.caught_up_s.append(time.monotonic() - back)


async def link_run(data_dir: Path, *, faults: int, clients: int, seed: int = 1, at_once: int = 5) -> Report:
    """Breaks links `faults` times, `at_once` of them at a time, each for a fifth of a second up to two seconds."""
    draw, report, began = random.Random(seed), Report(), time.monotonic()
    port = free_port()
    chat = build(data_dir, port=port, **GENEROUS)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(chat, port))
        people = await talkers(f"http://127.0.0.1:{port}", clients, report)
        links = [await stack.enter_async_context(Proxy(port)) for _ in people]
        for person, link in zip(people, links, strict=True):
            person.url = f"http://127.0.0.1:{link.port}"
            person.note_catching_up = False
        tasks = [asyncio.create_task(person.run(random.Random(draw.random()), 0.05)) for person in people]
        bot = asyncio.create_task(_bot(chat, people, random.Random(seed)))
        await asyncio.sleep(1)
        done = 0
        while done < faults:
            broken = draw.sample(range(clients), min(at_once, faults - done))
            await asyncio.gather(
                *(
                    _break(links[n], people[n], FAULTS[(done + k) % len(FAULTS)], draw.uniform(0.2, 2.0), chat, report)
                    for k, n in enumerate(broken)
                )
            )
            done += len(broken)
            report.faults = done
        bot.cancel()
        for person in people:
            person.stop = True
        _, late = await asyncio.wait(tasks, timeout=60)
        report.unfinished = len(late)
        for task in tasks:
            task.cancel()
        await asyncio.gather(bot, *tasks, return_exceptions=True)
        examine(report, chat.storage, people)
    report.seconds = round(time.monotonic() - began, 1)
    return report


def main() -> int:
    """Runs from the command line; the exit code tells whether all was clean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        report = asyncio.run(
            link_run(Path(folder), faults=arguments.faults, clients=arguments.clients, seed=arguments.seed)
        )
    sys.stdout.write(json.dumps(summary(report)) + "\n")
    return 0 if report.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
