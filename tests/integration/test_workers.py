"""Several workers behind one port: balance, deaths, rolling restarts and the end, on workers that start in a moment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from assistant.commands.workers import Post, Supervisor
from assistant.errors import BadInput, Unavailable
from tests.tools.chat_client import until
from tests.tools.chat_server import free_port

pytestmark = pytest.mark.integration


@dataclass
class Running:
    """A parent that runs, and the file that makes workers of a slot fail."""

    parent: Supervisor
    faults: Path

    async def ask(self) -> int:
        """The process id of whoever answers on the port."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.parent.port)
        try:
            return int(await asyncio.wait_for(reader.read(), 5))
        finally:
            writer.close()


def make(folder: Path, count: int, port: int = 0, **times: float) -> tuple[Supervisor, Path]:
    faults, metrics = folder / "faults", folder / "metrics"
    faults.write_text("")
    metrics.mkdir()

    def command(post: Post, _port: int) -> list[str]:
        return [sys.executable, "-m", "tests.tools.plain_worker", str(post), str(faults)]

    common = {"start_s": 20.0, "end_s": 5.0, "first_rest_s": 0.05, **times}
    return Supervisor(command, host="127.0.0.1", port=port, count=count, metrics=metrics, **common), faults


@asynccontextmanager
async def running(folder: Path, count: int = 2) -> AsyncIterator[Running]:
    parent, faults = make(folder, count)
    task = asyncio.create_task(parent.run())
    try:
        await until(lambda: task.done() or len(parent.pids) == count, 30)
        yield Running(parent, faults)
    finally:
        parent.stop()
        await asyncio.wait_for(task, 20)


def lives(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def renewed(parent: Supervisor, old: list[int]) -> Callable[[], bool]:
    return lambda: not set(parent.pids) & set(old)


async def test_all_workers_are_reached_through_one_port_and_all_end(tmp_path: Path) -> None:
    async with running(tmp_path, 3) as workers:
        pids = workers.parent.pids
        assert {await workers.ask() for _ in range(60)} == set(pids)
    assert not any(lives(pid) for pid in pids)
    with pytest.raises(ConnectionRefusedError):
        await workers.ask()


async def test_when_one_dies_the_others_serve_and_another_takes_its_place(tmp_path: Path) -> None:
    async with running(tmp_path) as workers:
        dead, other = workers.parent.pids
        workers.faults.write_text("0")  # its successors do not come up either
        os.kill(dead, signal.SIGKILL)
        await until(lambda: not lives(dead))
        await asyncio.sleep(0.1)
        assert {await workers.ask() for _ in range(30)} == {other}
        workers.faults.write_text("")
        await until(lambda: workers.parent.pids[0] != dead)
        assert {await workers.ask() for _ in range(60)} == set(workers.parent.pids)
        assert workers.parent.pids[1] == other


async def test_a_rolling_restart_refuses_nobody(tmp_path: Path) -> None:
    async with running(tmp_path) as workers:
        old = workers.parent.pids
        answers: list[int] = []

        async def keep_asking() -> None:
            while True:
                answers.append(await workers.ask())

        asking = asyncio.create_task(keep_asking())
        for rounds in (1, 2):
            workers.parent.restart()
            await until(lambda rounds=rounds: asking.done() or workers.parent.rounds == rounds)
        assert not asking.done()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        assert renewed(workers.parent, old)()
        assert len(set(answers)) >= 4
        assert not any(lives(pid) for pid in old)


async def test_a_successor_that_does_not_come_up_leaves_the_old_ones_serving(tmp_path: Path) -> None:
    async with running(tmp_path) as workers:
        old = workers.parent.pids
        workers.faults.write_text("1")
        workers.parent.restart()
        await until(lambda: workers.parent.pids[0] != old[0])
        await asyncio.sleep(0.5)
        assert workers.parent.pids[1] == old[1]
        assert {await workers.ask() for _ in range(60)} == set(workers.parent.pids)
        workers.faults.write_text("")
        workers.parent.restart()
        await until(renewed(workers.parent, old))


async def test_what_stops_the_first_worker_stops_all(tmp_path: Path) -> None:
    parent, faults = make(tmp_path, 2)
    faults.write_text("0")
    with pytest.raises(Unavailable, match="did not come to serve"):
        await asyncio.wait_for(parent.run(), 20)


async def test_a_worker_that_never_serves_is_given_up(tmp_path: Path) -> None:
    parent = Supervisor(
        lambda _post, _port: ["sleep", "60"],
        host="127.0.0.1",
        port=0,
        count=1,
        metrics=tmp_path,
        start_s=0.2,
        end_s=5.0,
    )
    with pytest.raises(Unavailable):
        await asyncio.wait_for(parent.run(), 20)


async def test_a_stop_while_workers_start_ends_them(tmp_path: Path) -> None:
    parent = Supervisor(lambda _post, _port: ["sleep", "60"], host="127.0.0.1", port=0, count=1, metrics=tmp_path)
    task = asyncio.create_task(parent.run())
    await asyncio.sleep(0.2)
    parent.stop()
    await asyncio.wait_for(task, 5)


async def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as workers:
        with pytest.raises(Unavailable, match="cannot be used"):
            Supervisor(lambda _post, _port: [], host="127.0.0.1", port=workers.parent.port, count=2, metrics=tmp_path)


def test_a_host_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be found"):
        Supervisor(lambda _post, _port: [], host="nowhere.invalid", port=free_port(), count=2, metrics=tmp_path)


def test_only_a_parent_starts_workers() -> None:
    assert Post.parse(str(Post(1, 2, 3, Path("/a,b")))) == Post(1, 2, 3, Path("/a,b"))
    with pytest.raises(BadInput):
        Post.parse("yes")
