"""How a suggested script is worded for a contact. The turns room words replies; the composition root hands its renderer in."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Connection

from retrieval.documents import Script


class Renderer(Protocol):
    """Fills a script's slots from what is known about the contact of a conversation."""

    def __call__(self, connection: Connection, conversation_id: str, document: Script) -> str | None:
        """The text, or None when a slot is unknown."""
        ...


def as_written(connection: Connection, conversation_id: str, document: Script) -> str | None:
    """A script without slots as it stands; None for one that needs filling."""
    return None if document.slots else document.text
