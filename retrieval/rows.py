"""Packed rows: texts side by side without padding, each with positions of its own, and the mean of each afterwards. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from retrieval.documents import Vector

ROW_TOKENS: Final = 128  # measured: longer rows pay more for attention than they save in calls


@dataclass(frozen=True, slots=True)
class Row:
    """Texts side by side: int64 [t] each. `owner` is the number of a token's text in the row, `starts` where each begins."""

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    owner: NDArray[np.int64]
    starts: NDArray[np.int64]

    def means(self, hidden: Vector) -> Vector:
        """The mean of each text's hidden states, float32 [texts, d]."""
        sums = np.add.reduceat(hidden, self.starts, axis=0)
        return np.asarray(sums / np.bincount(self.owner)[:, None], dtype=np.float32)


def row(tokens: Sequence[Sequence[int]], first_position: int = 0) -> Row:
    """The texts' tokens as one row. No text is empty: a tokenizer puts a mark at its beginning and end."""
    lengths: NDArray[np.int64] = np.array([len(text) for text in tokens], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    owner = np.repeat(np.arange(len(tokens)), lengths)
    ids = np.concatenate([np.asarray(text, dtype=np.int64) for text in tokens])
    return Row(ids, np.arange(len(ids)) - starts[owner] + first_position, owner, starts)


def rows_of(lengths: Sequence[int], limit: int = ROW_TOKENS) -> Iterator[list[int]]:
    """Texts by their lengths, grouped into rows of at most `limit` tokens (a longer text has a row of its own).

    First fit, longest first: fuller rows than in the order of arrival.
    """
    free: list[int] = []
    rows: list[list[int]] = []
    for text in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        place = next((r for r, room in enumerate(free) if lengths[text] <= room), None)
        if place is None:
            rows.append([text])
            free.append(limit - lengths[text])
        else:
            rows[place].append(text)
            free[place] -= lengths[text]
    yield from rows
