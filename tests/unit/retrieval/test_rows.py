"""Packed rows: every text once, rows within their limit, positions that start anew, means of a text's own tokens."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrieval.rows import ROW_TOKENS, row, rows_of

TOKENS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=9), min_size=1, max_size=12)


@given(st.lists(st.integers(1, 300), max_size=60))
def test_every_text_is_in_one_row_and_rows_keep_their_limit(lengths: list[int]) -> None:
    rows = list(rows_of(lengths))
    assert sorted(text for group in rows for text in group) == list(range(len(lengths)))
    for group in rows:
        assert len(group) == 1 or sum(lengths[text] for text in group) <= ROW_TOKENS


@given(TOKENS, st.integers(0, 2))
def test_a_row_is_its_texts_side_by_side(tokens: list[list[int]], first: int) -> None:
    packed = row(tokens, first)
    assert packed.ids.tolist() == [token for text in tokens for token in text]
    assert packed.positions.tolist() == [first + place for text in tokens for place in range(len(text))]
    assert packed.owner.tolist() == [number for number, text in enumerate(tokens) for _ in text]


@given(TOKENS)
def test_the_mean_is_over_a_texts_own_tokens(tokens: list[list[int]]) -> None:
    packed = row(tokens)
    hidden = np.stack([packed.ids, packed.ids**2], axis=1).astype(np.float32)
    expected = [[np.mean(text), np.mean(np.square(text))] for text in tokens]
    np.testing.assert_allclose(packed.means(hidden), expected, rtol=1e-5)
