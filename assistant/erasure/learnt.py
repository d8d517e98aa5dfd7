"""Erasure beyond the database: training sets, and the vectors kept of the texts in them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from risk.dataset.erase import erase
from risk.dataset.files import FOLDER
from risk.embeddings import forget

CACHE = "cache"  # of vectors, in the data directory


def erase_learnt(data_dir: Path, conversations: Collection[str], *, now: int) -> int:
    """Takes conversations out of an installation's training sets and vectors; how many rows went. Doing it again finds nothing.

    To be done before the database is touched, while that still knows whose conversations they are, and once more after it: a
    training set that was being written meanwhile may hold what was read before.
    """
    gone = erase(data_dir / FOLDER, conversations, now=now)
    forget(data_dir / CACHE, gone.texts)
    return gone.rows
