"""Several workers behind one port: a parent that starts, watches and replaces them, and serves nothing itself.

Every worker listens on a socket of its own that shares the port (SO_REUSEPORT), so that the kernel spreads new connections evenly.
The parent holds those sockets too. A worker that is replaced on purpose leaves its socket to its successor, which listens before
the old one stops: no connection is refused. The socket of one that died is closed, and the kernel turns to the others at once.

Between parent and worker runs a line, a pair of sockets: the worker says on it that it serves, and ends when the parent is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import structlog
from prometheus_client.multiprocess import mark_process_dead

from assistant.errors import BadInput, Unavailable

log = structlog.get_logger()

SERVES: Final = b"s"  # what a worker says on the line
START_S: Final = 120.0  # a worker may have an index to build
END_S: Final = 30.0  # draining, then what is left of requests and turns
FIRST_REST_S: Final = 0.5
LAST_REST_S: Final = 30.0
STEADY_S: Final = 60.0  # whoever lived so long has not died of its start


@dataclass(frozen=True, slots=True)
class Post:
    """What a worker is given by its parent, as text of the hidden option `--as-worker`."""

    slot: int
    listener: (
        int  # descriptor of a bound socket; listening on it is left to the worker, which does so when it can serve
    )
    line: int  # descriptor of its end of the line
    metrics: Path  # where the figures of all workers come together

    def __str__(self) -> str:
        return f"{self.slot},{self.listener},{self.line},{self.metrics}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises BadInput."""
        try:
            slot, listener, line, metrics = text.split(",", 3)
            return cls(int(slot), int(listener), int(line), Path(metrics))
        except ValueError:
            raise BadInput("--as-worker is for workers that a parent has started") from None


@dataclass(eq=False, slots=True)
class Worker:
    """A process that serves."""

    process: asyncio.subprocess.Process
    listener: socket.socket
    line: socket.socket
    since: float


class Supervisor:
    """Keeps `count` workers serving on one port until `stop`. `run` may be called once.

    `command(post, port)` is the argument list that starts a worker. Raises Unavailable when the port cannot be used.
    """

    def __init__(
        self,
        command: Callable[[Post, int], Sequence[str]],
        *,
        host: str,
        port: int,
        count: int,
        metrics: Path,
        start_s: float = START_S,
        end_s: float = END_S,
        first_rest_s: float = FIRST_REST_S,
    ) -> None:
        self._command = command
        self._metrics = metrics
        self._start_s = start_s
        self._end_s = end_s
        self._first_rest_s = first_rest_s
        self._family, self._address = _find(host, port)
        _bind(self._family, self._address, shared=False).close()  # sharing it with a stranger would not be noticed
        # Bound and never listening: it keeps the port ours while no worker listens.
        self._reserved = _bind(self._family, self._address)
        self._address = self._reserved.getsockname()
        self._locks = [asyncio.Lock() for _ in range(count)]
        self._workers: list[Worker] = []
        self._alive: dict[asyncio.subprocess.Process, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._outdated = asyncio.Event()
        self.rounds = 0  # rolling restarts that came to their end

    # --- from outside ---

    def stop(self) -> None:
        """Ends every worker, letting each drain; `run` then returns."""
        self._stopping.set()

    def restart(self) -> None:
        """Replaces every worker by a new one, one at a time. Asked again meanwhile, it is done once more."""
        self._outdated.set()

    @property
    def port(self) -> int:
        """The port, also when any would do."""
        return int(self._address[1])

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that serve, by slot."""
        return [worker.process.pid for worker in self._workers]

    async def run(self) -> None:
        """Serves until `stop`. Raises Unavailable when a worker does not come to serve at first: what stops one stops all."""
        working = asyncio.create_task(self._work(), name="workers")
        stopping = asyncio.create_task(self._stopping.wait(), name="workers-stop")
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, stopping):
                task.cancel()
            end, _ = await asyncio.gather(working, stopping, return_exceptions=True)
            await asyncio.gather(*(self._end(process) for process in tuple(self._alive)))
            for worker in self._workers:
                worker.listener.close()
                worker.line.close()
            self._reserved.close()
        if isinstance(end, Exception):
            raise end

    # --- work ---

    async def _work(self) -> None:
        for slot in range(
            len(self._locks)
        ):  # one after the other: the first may have an index to build, the others find it
            worker = await self._start(slot)
            if worker is None:
                raise Unavailable("a worker did not come to serve: see above")
            self._workers.append(worker)
        log.info("workers_serving", port=self.port, pids=self.pids)
        keeping = [self._keep(slot) for slot in range(len(self._workers))]
        await asyncio.gather(self._renew(), *keeping)

    async def _keep(self, slot: int) -> None:
        """Puts a new worker in the place of one that died, after a rest that doubles while they keep dying."""
        rest = self._first_rest_s
        while True:
            worker = self._workers[slot]
            await worker.process.wait()
            async with self._locks[slot]:
                if self._workers[slot] is not worker:  # replaced on purpose
                    continue
                log.error("worker_died", slot=slot, pid=worker.process.pid, code=worker.process.returncode)
                worker.listener.close()
                worker.line.close()
                if time.monotonic() - worker.since > STEADY_S:
                    rest = self._first_rest_s
                successor = None
                while successor is None:
                    await asyncio.sleep(rest)
                    rest = min(LAST_REST_S, 2 * rest)
                    successor = await self._start(slot)
                self._workers[slot] = successor
                log.info("worker_replaced", slot=slot, pid=successor.process.pid)

    async def _renew(self) -> None:
        """Rolling restarts. When a successor does not come to serve, the old worker stays, and so do those after it."""
        while True:
            await self._outdated.wait()
            self._outdated.clear()
            for slot, lock in enumerate(self._locks):
                async with lock:
                    old = self._workers[slot]
                    new = await self._start(slot, old.listener)
                    if new is None:
                        log.error("restart_given_up", slot=slot, kept=old.process.pid)
                        break
                    self._workers[slot] = new
                try:
                    await self._end(old.process)
                finally:
                    old.line.close()
                log.info("worker_renewed", slot=slot, pid=new.process.pid)
            else:
                self.rounds += 1
                log.info("workers_renewed", pids=self.pids)

    # --- one worker ---

    async def _start(self, slot: int, inherited: socket.socket | None = None) -> Worker | None:
        """Starts a worker and waits until it serves; None when it ends before, or takes too long.

        `inherited`: the socket of the one it replaces; it stays open, whatever comes of the successor.
        """
        with contextlib.ExitStack() as unless_it_serves, contextlib.ExitStack() as always:
            line, its_end = socket.socketpair()
            unless_it_serves.callback(line.close)
            always.callback(its_end.close)
            line.setblocking(False)
            listener = inherited
            if listener is None:
                listener = _bind(self._family, self._address)
                unless_it_serves.callback(listener.close)
            post = Post(slot, listener.fileno(), its_end.fileno(), self._metrics)
            process = await asyncio.create_subprocess_exec(
                *self._command(post, self.port),
                pass_fds=(post.listener, post.line),
                env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(self._metrics)},
                start_new_session=True,  # Ctrl-C is for the parent, which then tells the workers
            )
            its_end.close()
            self._alive[process] = asyncio.create_task(self._bury(process), name=f"worker-{process.pid}")
            said = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._start_s):
                    said = await asyncio.get_running_loop().sock_recv(line, 1)
            if said == SERVES:
                unless_it_serves.pop_all()
                return Worker(process, listener, line, time.monotonic())
            log.error("worker_not_started", slot=slot, pid=process.pid)
            await self._end(process)
        return None

    async def _bury(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        mark_process_dead(process.pid, str(self._metrics))  # type: ignore[no-untyped-call]
        del self._alive[process]

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Lets a worker drain and waits for its end; kills it when that takes too long."""
        burying = self._alive.get(process)
        if burying is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self._end_s):
                await asyncio.shield(burying)
        except TimeoutError:
            log.error("worker_killed", pid=process.pid)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await burying


def supervise(supervisor: Supervisor) -> None:
    """Runs in the foreground: SIGTERM and SIGINT stop, SIGHUP replaces the workers one at a time. Raises Unavailable."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, supervisor.stop)
        loop.add_signal_handler(signal.SIGHUP, supervisor.restart)
        await supervisor.run()

    asyncio.run(run())


def _find(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """Where to listen; IPv4 before IPv6 for a name that has both."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise Unavailable(f"the host '{host}' cannot be found ({error.strerror})") from error
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, address


def _bind(family: socket.AddressFamily, address: Any, *, shared: bool = True) -> socket.socket:
    """A socket on the port, not listening yet. `shared`: beside others of ours. Raises Unavailable."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        raise Unavailable(f"port {address[1]} cannot be used ({error.strerror}): try --port") from error
    return made
