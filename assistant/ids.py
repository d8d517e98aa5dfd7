"""Identifiers: ULIDs, sortable by time. An identifier is never a capability."""

from __future__ import annotations

from ulid import ULID


def new_id() -> str:
    """A fresh ULID: 26 characters of Crockford base 32."""
    return str(ULID())
