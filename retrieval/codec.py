"""Documents to and from JSON lines."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import orjson

from retrieval.documents import Article, Document, Kind, Offer, Product, Script

__all__ = ["Kind", "digest", "from_line", "to_line"]
# `dataclasses.asdict` copies whatever it meets, which takes longer than writing it.
_NAMES = {kind: tuple(field.name for field in dataclasses.fields(kind)) for kind in (Script, Product, Article)}
_SCRIPT_TUPLES = ("reasons", "bands", "examples", "slots", "quick_replies")


def to_line(document: Document) -> bytes:
    """One JSON object without a line break, keys sorted: equal documents give equal bytes."""
    fields = {name: getattr(document, name) for name in _NAMES[type(document)]}
    if isinstance(document, Script) and document.offer is not None:
        fields["offer"] = dataclasses.asdict(document.offer)
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)


def from_line(kind: Kind, line: bytes) -> Document:
    """The document of a line that `to_line` wrote. Raises ValueError, TypeError or KeyError on anything else."""
    fields: dict[str, Any] = orjson.loads(line)
    if kind == "product":
        fields["regions"] = tuple(fields["regions"])
        return Product(**fields)
    if kind == "article":
        fields["tags"] = tuple(fields["tags"])
        return Article(**fields)
    fields.update({name: tuple(fields[name]) for name in _SCRIPT_TUPLES})
    fields["offer"] = None if fields["offer"] is None else Offer(**fields["offer"])
    return Script(**fields)


def digest(*parts: bytes) -> str:
    """SHA-256 over the parts, in hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part)
    return total.hexdigest()
