"""A worker that only says its process id, for tests of the parent: starts in a moment, and fails when a file says so.

`python -m tests.tools.plain_worker POST FAULTS`: with `slot` in the file FAULTS the worker of that slot ends before it serves.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from pathlib import Path

from assistant.commands.workers import SERVES, Post


def main() -> int:
    """Serves until SIGTERM, or until the parent is gone."""
    post, faults = Post.parse(sys.argv[1]), Path(sys.argv[2])
    if str(post.slot) in faults.read_text():
        return 1
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))
    with socket.socket(fileno=post.listener) as listener, socket.socket(fileno=post.line) as line:
        listener.setblocking(False)
        listener.listen()
        line.send(SERVES)
        while not ended:
            ready, _, _ = select.select([listener, line], [], [], 0.02)
            if line in ready:
                break
            if listener in ready:
                try:
                    client, _ = listener.accept()
                except BlockingIOError:  # the predecessor has taken it
                    continue
                with client:
                    client.sendall(str(os.getpid()).encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
