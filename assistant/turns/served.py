"""Which risk models serve: the champion, and a challenger that looks over its shoulder or serves a share of customers.

Immutable: a swap puts another one in its place, and a turn that began with this one ends with it. Customers are allocated by a
hash of the challenger's version and their key, so that one customer meets one model for as long as the canary runs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from assistant.turns.ports import Unavailable
from risk.types import Scorer


@dataclass(frozen=True, slots=True)
class Shadow:
    """What the model that did not decide made of the same turn."""

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
