"""Transformer encoders without padding: texts side by side in one row, each attending to itself alone.

A padded batch makes a CPU slower than one text at a time, because most of it is padding. Here texts are concatenated up to
`ROW_TOKENS` tokens; attention is block-diagonal and positions start anew with each text, so a text's vector does not depend
on its batch mates (up to rounding), and no token is wasted. Works for BERT-like sentence-transformers models with mean
pooling; anything else is refused, and `retrieval.encoders.SentenceTransformersEncoder` encodes it one way or the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.documents import Vector
from retrieval.encoders import EncoderMissing, SentenceTransformersEncoder, unit
from retrieval.text import clean

ROW_TOKENS = 128  # measured: longer rows pay more for attention than they save in calls
_BLANK = "."
_POSITIONS_FROM_ZERO = {"bert"}  # roberta counts from the padding index


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


class PackedEncoder:
    """A sentence-transformers model whose forward pass is packed. One thread; thread-safe through a lock.

    `bf16` halves the work on processors that have it (AVX512-BF16, AMX) and changes vectors in the third decimal; the
    fingerprint says which it is.
    """

    def __init__(self, name: str, cache_dir: Path | None = None, *, bf16: bool = False) -> None:
        plain = SentenceTransformersEncoder(name, cache_dir)
        modules = list(plain._model)
        core: Any = getattr(modules[0], "auto_model", None) or getattr(modules[0], "model", None)
        kind = getattr(getattr(core, "config", None), "model_type", "")
        if kind not in _POSITIONS_FROM_ZERO or not _mean_pooled(modules):
            raise EncoderMissing(
                f"{name!r} cannot be packed: only BERT models with mean pooling can; load it without packing"
            )
        import torch

        self._torch = torch
        self._type = torch.bfloat16 if bf16 else torch.float32
        self._core = core.to(self._type).eval()
        self._tokenizer = plain._model.tokenizer
        self._limit = int(plain._model.max_seq_length or 512)
        self.dim = plain.dim
        self.fingerprint = f"{plain.fingerprint}.packed{'-bf16' if bf16 else ''}"
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Vector:
        """float32 [n, d], L2-normalised."""
        found = np.empty((len(texts), self.dim), dtype=np.float32)
        if not texts:
            return found
        with self._lock, self._torch.inference_mode():
            cleaned = [clean(text) or _BLANK for text in texts]
            tokens = self._tokenizer(cleaned, truncation=True, max_length=self._limit)["input_ids"]
            for row in rows_of([len(t) for t in tokens]):
                for text, vector in zip(row, self._forward([tokens[t] for t in row]), strict=True):
                    found[text] = vector
        return unit(found)

    def _forward(self, tokens: Sequence[Sequence[int]]) -> Vector:
        """Mean-pooled vectors of the texts in one row, float32 [len(tokens), d]."""
        torch = self._torch
        lengths = [len(t) for t in tokens]
        owner = torch.repeat_interleave(torch.arange(len(tokens)), torch.tensor(lengths))
        positions = torch.cat([torch.arange(n) for n in lengths])[None]
        ids = torch.tensor([i for t in tokens for i in t])[None]
        apart = owner[:, None] != owner[None, :]
        mask = torch.zeros(apart.shape, dtype=self._type).masked_fill(apart, torch.finfo(self._type).min)
        hidden = (
            self._core(input_ids=ids, position_ids=positions, attention_mask=mask[None, None])
            .last_hidden_state[0]
            .float()
        )
        sums = torch.zeros(len(tokens), hidden.shape[1]).index_add_(0, owner, hidden)
        return np.asarray((sums / torch.tensor(lengths, dtype=torch.float32)[:, None]).numpy(), dtype=np.float32)


def _mean_pooled(modules: Sequence[Any]) -> bool:
    """Whether the modules after the transformer are mean pooling and, at most, normalisation."""
    names = [type(m).__name__ for m in modules[1:]]
    if not names or names[0] != "Pooling" or not set(names[1:]) <= {"Normalize"}:
        return False
    pooling = modules[1]
    mode = getattr(pooling, "pooling_mode", None)
    if isinstance(mode, str):
        return mode == "mean"
    return bool(getattr(pooling, "pooling_mode_mean_tokens", False)) or mode == ("mean",) or mode == ["mean"]
