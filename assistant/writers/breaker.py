"""A circuit breaker: a server that fails again and again is left alone for a while. Pure: time is an argument."""

from __future__ import annotations

from typing import Final

FAILURES: Final = 5  # in a row
REST_MS: Final = 30_000
LONGEST_REST_MS: Final = 300_000


class Breaker:
    """Closed until FAILURES calls in a row failed; then open for a rest, after which one call may try.

    A try that fails doubles the rest, up to LONGEST_REST_MS.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._rest_ms = REST_MS
        self._until: int | None = None  # open until then
        self._trying = False

    @property
    def open(self) -> bool:
        """Whether calls are held back, a try apart."""
        return self._until is not None

    def allows(self, now: int) -> bool:
        """Whether a call may be made now. Whoever makes it says how it ended."""
        if self._until is None:
            return True
        if now < self._until or self._trying:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """The server answered."""
        self._failures, self._rest_ms, self._until, self._trying = 0, REST_MS, None, False

    def failed(self, now: int) -> None:
        """The server did not answer, or not as it should."""
        self._failures += 1
        if self._trying:
            self._rest_ms = min(2 * self._rest_ms, LONGEST_REST_MS)
        if self._trying or self._failures >= FAILURES:
            self._until = now + self._rest_ms
        self._trying = False

    def abandoned(self) -> None:
        """The call was given up for reasons of the caller's; it says nothing about the server."""
        self._trying = False
