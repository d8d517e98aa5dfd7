"""What a reply writer is given and what it gives back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Draft:
    """What a reply says. Everything but `contact` comes from the shop's approved content and its records."""

    language: str  # en, zh
    text: str  # the approved wording, its slots filled
    products: tuple[str, ...] = ()  # titles with prices, as the cards beside the reply show them
    offer: str | None = None  # the card of a benefit, in words
    contact: tuple[str, ...] = ()  # what the contact wrote; not to be trusted


class WriterFault(Exception):
    """A writer could not write. `reason` is a short code: for metrics, the log and the decision's row."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Writer(Protocol):
    """Puts a draft into words."""

    @property
    def name(self) -> str:
        """Names the writer in a decision's versions."""
        ...

    @property
    def rephrases(self) -> bool:
        """Whether the words may be others than the draft's; if not, there is nothing to wait for and nothing to check."""
        ...

    def write(self, draft: Draft) -> AsyncGenerator[str, None]:
        """Pieces of the text, in order, as they come. Raises WriterFault; may be closed at any piece."""
        ...

    async def close(self) -> None:
        """Lets go of what it holds."""
        ...


class TemplateWriter:
    """The approved wording, as it is."""

    name = "template"
    rephrases = False

    async def write(self, draft: Draft) -> AsyncGenerator[str, None]:
        """One piece: the draft's text."""
        yield draft.text

    async def close(self) -> None:
        """Holds nothing."""
