"""Which risk models serve: the champion, and a challenger that looks over its shoulder or serves a share of customers.

Immutable: a swap puts another one in its place, and a turn that began with this one ends with it. Customers are allocated by a
hash of the challenger's version and their key, so that one customer meets one model for as long as the canary runs.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass

import numpy as np

from assistant.turns.ports import Unavailable
from risk.types import Scorer


@dataclass(frozen=True, slots=True)
class Shadow:
    """What the model that did not decide made of the same turn; `ms` of processor time."""

    version: str
    score: float
    ms: float


@dataclass(frozen=True, slots=True)
class Served:
    """`share` of customers [0, 1] is served by the challenger; at 0 it only shadows."""

    champion: Scorer | Unavailable
    challenger: Scorer | None = None
    share: float = 0.0

    @property
    def name(self) -> str:
        """Names the models together: states made under another name are of no use."""
        if isinstance(self.champion, Unavailable):
            return "none"
        if self.challenger is None:
            return self.champion.version
        return f"{self.champion.version}+{self.challenger.version}"

    def arms(self, customer: str) -> tuple[Scorer, Scorer | None] | Unavailable:
        """Who serves this customer, and who shadows."""
        if isinstance(self.champion, Unavailable):
            return self.champion
        if self.challenger is None:
            return self.champion, None
        if place(self.challenger.version, customer) < self.share:
            return self.challenger, self.champion
        return self.champion, self.challenger


def place(version: str, customer: str) -> float:
    """Where a customer stands among those to be allocated, uniform in [0, 1)."""
    digest = hashlib.sha256(f"canary:{version}:{customer}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


class Health:
    """How a model did in the last turns that it was asked about. Written by one thread; read by any."""

    def __init__(self, size: int = 200) -> None:
        self._turns: deque[tuple[bool, float]] = deque(maxlen=size)

    def note(self, *, sound: bool, ms: float) -> None:
        """One turn: whether the model gave an honest number, and the processor time that it took."""
        self._turns.append((sound, ms))

    @property
    def turns(self) -> int:
        """How many turns are remembered."""
        return len(self._turns)

    @property
    def failed(self) -> float:
        """Share of turns without a number; 0 before the first."""
        turns = list(self._turns)
        return sum(not sound for sound, _ in turns) / len(turns) if turns else 0.0

    @property
    def p95_ms(self) -> float:
        """95th percentile of the time a turn took; 0 before the first."""
        turns = list(self._turns)
        return float(np.quantile([ms for _, ms in turns], 0.95)) if turns else 0.0
