"""Holds processes to a share of a processor, as if each ran on a small machine of its own; and says what processes have worked.

A thread stops a process that is ahead of its share (SIGSTOP) and lets it go on when it no longer is. Linux only.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

STEP_S: Final = 0.002
BURST_S: Final = 0.01  # of processor time that may be saved up


def worked_s(pid: int) -> float:
    """Processor time of a process with all its threads, in seconds; 0 when it is gone."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(thread.read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / 1e9


class Throttle:
    """While the block runs, none of the processes works more than `share` of the time."""

    def __init__(self, pids: Iterable[int], share: float) -> None:
        self._pids = tuple(pids)
        self._share = share
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="throttle", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        now = time.monotonic()
        since = dict.fromkeys(self._pids, now)
        worked = {pid: worked_s(pid) for pid in self._pids}
        saved = dict.fromkeys(self._pids, 0.0)
        stopped: set[int] = set()
        try:
            while not self._over.wait(STEP_S):
                for pid in self._pids:
                    now, done = time.monotonic(), worked_s(pid)
                    saved[pid] += self._share * (now - since[pid]) - (done - worked[pid])
                    saved[pid] = min(saved[pid], BURST_S)
                    since[pid], worked[pid] = now, done
                    if saved[pid] < 0 and pid not in stopped:
                        os.kill(pid, signal.SIGSTOP)
                        stopped.add(pid)
                    elif saved[pid] >= 0 and pid in stopped:
                        os.kill(pid, signal.SIGCONT)
                        stopped.discard(pid)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
