"""Templates made into what somebody typed: slots filled, with the slips of people who type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import numpy as np

Part = Literal["train", "test"]
Lines: TypeAlias = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]

PARTS: Final[tuple[Part, Part]] = ("train", "test")
SLIP: Final = 0.06  # a typed line loses or doubles a character


class Speech:
    """Draws lines of one language from the templates of one part, which the other part never sees."""

    def __init__(self, lines: Lines, products: tuple[tuple[str, ...], tuple[str, ...]], part: Part) -> None:
        place = PARTS.index(part)
        self._lines = {kind: both[place] for kind, both in lines.items()}
        self._products = products[place]

    def say(self, kind: str, slots: Mapping[str, str], random: np.random.Generator, *, typed: bool = True) -> str:
        """One line of a kind. `typed`: by a person in a hurry, so that it may hold a slip."""
        options = self._lines[kind]
        text = options[int(random.integers(len(options)))].format_map(dict(slots))
        return _slipped(text, random) if typed and len(text) > 6 and random.random() < SLIP else text

    def slots(self, random: np.random.Generator) -> dict[str, str]:
        """What one conversation is about: the same order and product in each of its lines."""
        return {
            "product": self._products[int(random.integers(len(self._products)))],
            "days": str(int(random.integers(2, 15))),
            "amount": str(int(random.integers(3, 60))),
            "order": str(int(random.integers(10_000, 99_999))),
        }


def _slipped(text: str, random: np.random.Generator) -> str:
    place = int(random.integers(1, len(text) - 1))
    return text[:place] + text[place + 1 :] if random.random() < 0.5 else text[:place] + text[place] + text[place:]
