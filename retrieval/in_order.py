"""A lock for work that is cut into pieces."""

from __future__ import annotations

import threading


class InOrder:
    """A lock that is given in the order in which it was asked for: with an ordinary one a long job takes it again at once."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._asked = 0
        self._served = 0

    def __enter__(self) -> None:
        with self._changed:
            ticket = self._asked
            self._asked += 1
            self._changed.wait_for(lambda: self._served == ticket)

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._served += 1
            self._changed.notify_all()
