"""Figures with their uncertainty. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Z95: Final = 1.959963984540054
LEAST_GROUP: Final = 30  # customers of each group, below which a difference is not reported


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two shares with a 95 % interval, all in −1..1."""

    value: float
    low: float
    high: float
    n: int


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, after Wilson (1927)."""
    share = successes / n
    centre = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def difference(successes_a: int, n_a: int, successes_b: int, n_b: int) -> Difference | None:
    """Share a − share b, interval after Newcombe (1998, method 10); None when a group has fewer than `LEAST_GROUP`."""
    if min(n_a, n_b) < LEAST_GROUP:
        return None
    a, b = successes_a / n_a, successes_b / n_b
    low_a, high_a = wilson(successes_a, n_a)
    low_b, high_b = wilson(successes_b, n_b)
    low = a - b - math.sqrt((a - low_a) ** 2 + (high_b - b) ** 2)
    high = a - b + math.sqrt((high_a - a) ** 2 + (b - low_b) ** 2)
    return Difference(a - b, low, high, n_a + n_b)


def median(values: Sequence[float], *, least: int = 1) -> float | None:
    """The middle value; None for fewer than `least`."""
    if len(values) < max(1, least):
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
