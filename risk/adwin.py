"""ADWIN: whether the mean of a stream has changed, and since when (Bifet and Gavaldà, 2007, "Learning from time-changing data with
adaptive windowing"; the second version, ADWIN2, with buckets that double).

The window holds what has come since the last change. It is cut wherever two parts of it have means further apart than

    ε = √(2/m · σ² · ln(2/δ′)) + 2/(3m) · ln(2/δ′),     1/m = 1/(n₀ − 5 + 1) + 1/(n₁ − 5 + 1),     δ′ = δ / ln n,

and the older part is dropped. At most `BUCKETS` buckets of each size 1, 2, 4 … are kept, so memory and time grow with ln n. Written
out because it is short and serving stays lean; a test holds it against the package river, cut for cut.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BUCKETS: Final = 5  # of each size
LEAST: Final = 5  # values on either side of a cut
GRACE: Final = 10  # values before the first look
CLOCK: Final = 32  # a look every so many values
DELTA: Final = 0.002  # chance of a false cut, for one look


class Adwin:
    """A window over values, usually in 0..1. `update` says whether it was cut."""

    def __init__(self, delta: float = DELTA) -> None:
        if not 0.0 < delta < 1.0:
            raise ValueError("delta lies between 0 and 1")
        self.width = 0  # values since the last change
        self.seen = 0
        self._delta = delta
        self._total = 0.0
        self._squares = 0.0  # sum of squared deviations from the mean
        self._rows: list[deque[tuple[float, float]]] = [
            deque()
        ]  # row i: (total, squares) of buckets of 2^i values, newest last

    @property
    def mean(self) -> float:
        """Of the window."""
        return self._total / self.width if self.width else 0.0

    def update(self, value: float) -> bool:
        """Takes a value in; True when the window was cut, and what is left of it speaks of a change `width` values ago."""
        if not math.isfinite(value):
            raise ValueError("a stream holds finite numbers")
        self._insert(value)
        return self.seen % CLOCK == 0 and self.width > GRACE and self._cut()

    def _insert(self, value: float) -> None:
        self.seen += 1
        if self.width:
            self._squares += self.width * (value - self.mean) ** 2 / (self.width + 1)
        self.width += 1
        self._total += value
        self._rows[0].append((value, 0.0))
        for place, row in enumerate(self._rows):
            if len(row) <= BUCKETS:
                break
            size = 2**place
            (older, spread), (newer, other) = row.popleft(), row.popleft()
            if place + 1 == len(self._rows):
                self._rows.append(deque())
            squares = spread + other + size * (older - newer) ** 2 / (2.0 * size * size)
            self._rows[place + 1].append((older + newer, squares))

    def _cut(self) -> bool:
        changed = False
        while self._differs():
            self._drop()
            changed = True
        return changed

    def _differs(self) -> bool:
        """Whether some cut, from the oldest bucket on, parts two means that are too far apart."""
        before, total = 0, 0.0
        for place in range(len(self._rows) - 1, -1, -1):
            for bucket, _ in self._rows[place]:
                before += 2**place
                total += bucket
                after = self.width - before
                if after < LEAST:
                    return False
                if before >= LEAST and abs(total / before - (self._total - total) / after) > self._bound(before, after):
                    return True
        return False

    def _bound(self, before: int, after: int) -> float:
        confidence = math.log(2.0 * math.log(self.width) / self._delta)
        inverse = 1.0 / (before - LEAST + 1) + 1.0 / (after - LEAST + 1)
        variance = self._squares / self.width
        return math.sqrt(2.0 * inverse * variance * confidence) + 2.0 / 3.0 * inverse * confidence

    def _drop(self) -> None:
        """The oldest bucket goes."""
        size = 2 ** (len(self._rows) - 1)
        total, squares = self._rows[-1].popleft()
        self.width -= size
        self._total -= total
        mean, gap = total / size, self.mean
        self._squares = max(0.0, self._squares - squares - size * self.width * (mean - gap) ** 2 / (size + self.width))
        while len(self._rows) > 1 and not self._rows[-1]:
            self._rows.pop()


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a stream's mean: noticed at the value `noticed`, and there since about `since`; the means before and after."""

    noticed: int
    since: int
    before: float
    after: float


def changes(values: Sequence[float], delta: float = DELTA) -> list[Change]:
    """All changes of a stream, in order. Cuts that only say more exactly where a change lies are one change, not several."""
    window, found = Adwin(delta), list[Change]()
    for index, value in enumerate(values):
        if not window.update(value):
            continue
        noticed, since = index, index + 1 - window.width
        if found and since <= found[-1].noticed:
            noticed = found.pop().noticed
        start = found[-1].since if found else 0
        before = math.fsum(values[start:since]) / (since - start)
        found.append(Change(noticed, since, before, float(window.mean)))
    return found
