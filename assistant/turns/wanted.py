"""What a turn wants of retrieval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from assistant.turns.shopping import Shopping
from retrieval.documents import Band, Vector

COMPLAINTS: Final = frozenset({"quality", "fit", "trust", "delivery"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for. `known` names the slots that can be filled without products. `at`: UTC ms."""

    site_id: str
    text: str
    vector: Vector | None
    language: str
    region: str | None
    band: Band
    reasons: tuple[str, ...]
    known: frozenset[str]
    product_slots: frozenset[str]
    verified: bool
    has_order: bool
    before: tuple[str, ...] = ()  # what the contact said earlier, the latest last
    last_said: str | None = None  # what was said to the contact last
    tenure_days: int | None = None  # since when the shop knows the customer; None for a stranger
    value_year: int | None = None  # what the customer spent in the past year, minor units; None for a stranger
    shopping: Shopping = Shopping()  # noqa: RUF009 - frozen
    at: int = 0

    @property
    def complains(self) -> bool:
        """Whether something is wrong with what they have."""
        return self.band != "low" or bool(COMPLAINTS & set(self.reasons))
