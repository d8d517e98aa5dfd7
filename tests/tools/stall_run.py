"""Contacts who stop reading beside contacts who talk: who is harmed, who is closed, and how much memory it takes.

`python -m tests.tools.stall_run --normal 200 --stalled 50 --seconds 20` prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from assistant.conversations import store
from assistant.conversations.store import NewEvent
from assistant.storage.engine import Storage
from tests.tools.chat_client import Contact, new_session
from tests.tools.chat_server import free_port
from tests.tools.server_process import ServerProcess

LONGEST_S = 30  # in which the stalled are waited for
BACKLOG = 400  # events that wait for a stalled contact, of 4,000 characters each
TCP_CLOSED = 7


@dataclass
class Report:
    """What a run found. Times in milliseconds and seconds, memory in MiB."""

    normal: int
    stalled: int
    acks_alone: int = 0
    acks_beside: int = 0
    ack_p95_alone_ms: float = 0.0
    ack_p95_beside_ms: float = 0.0
    ratio: float = 0.0
    closed: int = 0
    closed_after_s: float = 0.0
    memory_before_mib: float = 0.0
    memory_peak_mib: float = 0.0

    @property
    def clean(self) -> bool:
        """Whether the stalled were closed in time, at a bounded price, and the others hardly noticed."""
        return self.closed_in_time and self.memory_is_bounded and self.ratio <= 1.5

    @property
    def closed_in_time(self) -> bool:
        """Whether every stalled contact was closed within 10 s."""
        return self.closed == self.stalled and self.closed_after_s <= 10

    @property
    def memory_is_bounded(self) -> bool:
        """Whether a stalled contact took a MiB at most, and all that goes on meanwhile 20."""
        return self.memory_peak_mib - self.memory_before_mib <= 20 + self.stalled


def _p95(values: list[float]) -> float:
    return round(sorted(values)[int(len(values) * 0.95) - 1] * 1000, 2) if values else 0.0


async def _talk(contact: Contact, until: float, draw: random.Random, waits: list[float], period_s: float) -> None:
    while time.monotonic() < until:
        await asyncio.sleep(draw.uniform(0, 2 * period_s))
        started = time.monotonic()
        ack = await contact.message(f"hello {uuid4()}")
        assert ack["t"] == "ack", ack
        waits.append(time.monotonic() - started)
        contact.frames.clear()


async def _stall(base: str, token: str) -> socket.socket:
    """A contact with much to catch up on, who says hello and reads nothing."""
    host, port = base.removeprefix("http://").split(":")
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, (host, int(port)))
    contact = await Contact(base, token, sock=plain, close_timeout=0.1, ping_interval=None).open()
    contact.socket.transport.pause_reading()
    await contact.say({"t": "hello", "v": "staywell.chat.v1", "token": token})
    _kept.append(contact)
    return plain


_kept: list[Contact] = []  # a connection that is collected would be closed


def _is_closed(plain: socket.socket) -> bool:
    return plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == TCP_CLOSED


def memory_mib(pid: int) -> float:
    """Resident memory of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    raise RuntimeError("no such process")


async def _fill(base: str, data_dir: Path, tokens: list[str]) -> None:
    """Gives each contact a long conversation."""
    for token in tokens:
        async with Contact(base, token) as contact:
            await contact.hello()
            await contact.message("hello")
            conv = contact.ready["conv"]

        def long(connection: Any, conv: str = conv) -> None:
            for n in range(BACKLOG):
                store.append(connection, conv, NewEvent("bot", "message", f"{n} ".ljust(4000, "x")), now=1)

        storage = Storage(f"sqlite:///{(data_dir / 'staywell.db').as_posix()}")
        await storage.write(long)
        await asyncio.to_thread(storage.close)


async def stall_run(
    data_dir: Path,
    *,
    normal: int,
    stalled: int,
    seconds: float,
    alone_s: float | None = None,
    period_s: float = 1.0,
    seed: int = 1,
) -> Report:
    """First the normal contacts alone for `alone_s` (by default `seconds`), then for `seconds` beside the stalled ones."""
    report, draw = Report(normal, stalled), random.Random(seed)
    server = ServerProcess(data_dir, free_port())
    await server.start()
    try:
        tokens = [(await new_session(server.base))["token"] for _ in range(stalled)]
        await _fill(server.base, data_dir, tokens)
        people = []
        for _ in range(normal):
            person = await Contact(server.base, (await new_session(server.base))["token"]).open()
            await person.hello()
            people.append(person)

        async def phase(for_s: float) -> list[float]:
            waits: list[float] = []
            until = time.monotonic() + for_s
            await asyncio.gather(
                *(_talk(person, until, random.Random(draw.random()), waits, period_s) for person in people)
            )
            return waits

        alone = await phase(seconds if alone_s is None else alone_s)
        report.memory_before_mib = report.memory_peak_mib = memory_mib(server.pid)
        sockets = [await _stall(server.base, token) for token in tokens]
        began = time.monotonic()
        beside = asyncio.create_task(phase(seconds))
        while not beside.done() or (report.closed < stalled and time.monotonic() - began < LONGEST_S):
            await asyncio.sleep(0.1)
            report.memory_peak_mib = max(report.memory_peak_mib, memory_mib(server.pid))
            closed = sum(_is_closed(plain) for plain in sockets)
            if closed > report.closed:
                report.closed, report.closed_after_s = closed, round(time.monotonic() - began, 1)
        report.acks_alone, report.acks_beside = len(alone), len(await beside)
        report.ack_p95_alone_ms, report.ack_p95_beside_ms = _p95(alone), _p95(await beside)
        report.ratio = round(report.ack_p95_beside_ms / report.ack_p95_alone_ms, 2)
        for person in (*people, *_kept):
            person.socket.transport.abort()
    finally:
        await server.kill()
        _kept.clear()
    return report


def main() -> int:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--normal", type=int, default=200)
    parser.add_argument("--stalled", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        report = asyncio.run(
            stall_run(Path(folder), normal=arguments.normal, stalled=arguments.stalled, seconds=arguments.seconds)
        )
    sys.stdout.write(json.dumps({**asdict(report), "clean": report.clean}) + "\n")
    return 0 if report.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
