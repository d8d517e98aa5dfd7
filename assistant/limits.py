"""How much a contact, an address and a site may send or ask for: token buckets. Pure: time is an argument."""

from __future__ import annotations

from collections import OrderedDict
from copy import copy
from typing import Final

# Remembered at once; whoever was quiet the longest is forgotten, and starts with a full allowance.
MOST: Final = 10_000


class Bucket:
    """`burst` at once, refilled evenly within `window_ms`."""

    __slots__ = ("_at", "_burst", "_left", "_window_ms")

    def __init__(self, burst: int, window_ms: int, now: int) -> None:
        self._burst = burst
        self._window_ms = window_ms
        self._left = float(burst)
        self._at = now

    def wait_ms(self, now: int) -> int:
        """0 when one may be taken, else the milliseconds until then. A clock that went back refills nothing."""
        passed, self._at = max(0, now - self._at), now
        self._left = min(self._burst, self._left + passed * self._burst / self._window_ms)
        if self._left >= 1:
            return 0
        return max(1, round((1 - self._left) * self._window_ms / self._burst))

    def take(self) -> None:
        """Takes one."""
        self._left -= 1


class Allowance:
    """What one contact, address or site may do, over all its connections: every bucket must have one left."""

    __slots__ = ("_buckets",)

    def __init__(self, per_10s: int, per_minute: int, now: int) -> None:
        self._buckets: tuple[Bucket, ...] = (Bucket(per_10s, 10_000, now), Bucket(per_minute, 60_000, now))

    def within(self, *others: Allowance) -> Allowance:
        """This allowance and those of whom it is a part: what is taken is taken from each, or from none."""
        together = copy(self)
        together._buckets = (*self._buckets, *(bucket for other in others for bucket in other._buckets))
        return together

    def take(self, now: int) -> int:
        """0 when one was taken, else the milliseconds to wait."""
        wait = max(bucket.wait_ms(now) for bucket in self._buckets)
        if wait == 0:
            for bucket in self._buckets:
                bucket.take()
        return wait


class Allowances:
    """The allowance of each contact (or address, or site) on this worker, bounded in number."""

    def __init__(self, per_10s: int, per_minute: int, most: int = MOST) -> None:
        self._per_10s = per_10s
        self._per_minute = per_minute
        self._most = most
        self._known: OrderedDict[str, Allowance] = OrderedDict()

    def of(self, whose: str, now: int) -> Allowance:
        """The allowance of `whose`, shared by its connections."""
        allowance = self._known.get(whose)
        if allowance is None:
            allowance = self._known[whose] = Allowance(self._per_10s, self._per_minute, now)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        self._known.move_to_end(whose)
        return allowance
