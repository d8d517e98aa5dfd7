"""Transformer encoders without padding: texts side by side in one row, each attending to itself alone.

A padded batch makes a CPU slower than one text at a time, because most of it is padding. Here texts are concatenated up to
`rows.ROW_TOKENS` tokens; attention is block-diagonal and positions start anew with each text, so a text's vector does not depend
on its batch mates (up to rounding), and no token is wasted. Works for BERT-like sentence-transformers models with mean
pooling; anything else is refused, and `retrieval.encoders.SentenceTransformersEncoder` encodes it.

Three ways of computing a row: ONNX Runtime in fp32 (exported at first use, kept by fingerprint), torch in bf16 where the processor
has it, torch in fp32. Their vectors are interchangeable, since a way is only taken when the lowest cosine to transformers' own
vectors over `parity.texts()` says so.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from importlib import metadata, util
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from retrieval import model_folder, onnx_packed, parity
from retrieval.documents import Vector
from retrieval.encoders import SentenceTransformersEncoder, cache_folder, unit
from retrieval.errors import EncoderMissing
from retrieval.in_order import InOrder
from retrieval.model_folder import PackableModel
from retrieval.rows import Row, row, rows_of
from retrieval.text import clean

Way = Literal["onnx", "bf16", "torch"]
log = logging.getLogger(__name__)
_BLANK: Final = "."
_CHUNK: Final = 1024  # texts that are packed with each other
_HALF: Final = ("avx512_bf16", "amx_bf16")  # flags of processors that multiply bf16 without a detour


class PackedEncoder:
    """A sentence-transformers model whose forward pass is packed. Thread-safe: one row is computed at a time.

    `way` None takes ONNX Runtime, the fastest for a turn alone and without torch at run time; where it is missing, or its vectors
    are not transformers' own (`parity.SAME`), torch in bf16 if the processor has it and the vectors stay close (`parity.SAFELY`);
    else torch in fp32. A way that is asked for by name is taken if it can be; "bf16" then has a fingerprint of its own, since
    nothing vouches for its vectors. Raises `EncoderMissing`.
    """

    def __init__(self, name: str, cache_dir: Path | None = None, *, way: Way | None = None) -> None:
        cache = cache_folder(cache_dir)
        folder = model_folder.resolve(name, cache)
        self._model = model_folder.packable(folder)
        self.dim = self._model.dim
        self.fingerprint = model_folder.fingerprint(folder)
        self._tokenizer = _tokenizer(self._model)
        self._lock = InOrder()
        self._exact: Vector | None = None  # transformers' own vectors, once the probe has asked for them
        self.way: Way
        self._forward: Callable[[Row], Vector]
        if way == "bf16":
            self.fingerprint += "-bf16"
            self.way, self._forward = "bf16", TorchForward(self._model, half=True)
        elif way == "torch":
            self.way, self._forward = "torch", TorchForward(self._model)
        else:
            self.way, self._forward = self._fastest(folder, cache / "packed" / self.fingerprint, halved=way is None)
            self._exact = None

    def encode(self, texts: Sequence[str]) -> Vector:
        """float32 [n, d], L2-normalised."""
        found = np.empty((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), _CHUNK):
            part = slice(start, start + _CHUNK)
            found[part] = self._encode(texts[part])
        return unit(found)

    def _encode(self, texts: Sequence[str]) -> Vector:
        prefix, first = self._model.prefix, self._model.first_position
        tokens = [self._tokenizer.encode(prefix + (clean(text) or _BLANK)).ids for text in texts]
        found = np.empty((len(texts), self.dim), dtype=np.float32)
        for group in rows_of([len(ids) for ids in tokens]):
            packed = row([tokens[text] for text in group], first)
            with (
                self._lock
            ):  # a row at a time, so that a turn waits no longer than that for an index that is being built
                found[group] = packed.means(self._forward(packed))
        return found

    def _fastest(self, folder: Path, kept: Path, *, halved: bool) -> tuple[Way, Callable[[Row], Vector]]:
        graph = kept / f"onnx-{onnx_packed.FORMAT}"
        if onnx_packed.available() and (graph.is_dir() or onnx_packed.exportable()):
            if not graph.is_dir():
                onnx_packed.export(self._model, graph)
            probe = kept / f"onnx-{onnx_packed.FORMAT}-{metadata.version('onnxruntime')}"
            exported = self._proven(probe, parity.SAME, folder, lambda: onnx_packed.OnnxForward(self._model, graph))
            if exported is not None:
                return "onnx", exported
            log.warning("the exported graph of %s gives other vectors than transformers; torch is used", folder.name)
        if halved and half_supported() and _has("torch", "transformers"):
            probe = kept / f"bf16-torch-{metadata.version('torch')}"
            half = self._proven(probe, parity.SAFELY, folder, lambda: TorchForward(self._model, half=True))
            if half is not None:
                return "bf16", half
        return "torch", TorchForward(self._model)

    def _proven(
        self, probe: Path, least: float, folder: Path, make: Callable[[], Callable[[Row], Vector]]
    ) -> Callable[[Row], Vector] | None:
        """The forward pass, when the lowest cosine to transformers' vectors is `least` or more: measured once, then read."""
        probe = probe.with_name(f"{probe.name}-{parity.version()}.json")
        try:
            if float(json.loads(probe.read_text(encoding="utf-8"))["lowest_cosine"]) < least:
                return None
            return make()
        except (OSError, ValueError, KeyError, TypeError):
            self._forward = make()
        if self._exact is None:
            self._exact = SentenceTransformersEncoder(str(folder)).encode(parity.texts())
        lowest = parity.lowest_cosine(self.encode(parity.texts()), self._exact)
        try:
            probe.parent.mkdir(parents=True, exist_ok=True)
            probe.write_text(json.dumps({"lowest_cosine": lowest}) + "\n", encoding="utf-8")
        except OSError:
            log.info("the result of the probe cannot be kept in %s", probe.parent)
        return self._forward if lowest >= least else None


class TorchForward:
    """The transformer in torch as a function of a packed row.

    `half` multiplies in bf16 and does everything else (normalisation, attention's softmax, sums) in fp32: as fast as all in
    bf16, and half as far from the exact vectors.
    """

    def __init__(self, model: PackableModel, *, half: bool = False) -> None:
        if not _has("torch", "transformers"):
            raise EncoderMissing(
                f"{model.folder.name!r} needs ONNX Runtime, or torch and transformers: pip install 'staywell[encoders]'"
            )
        import torch
        from transformers import AutoModel

        model_folder.quiet()
        self._torch = torch
        self._core: Any = AutoModel.from_pretrained(
            str(model.folder), dtype=torch.float32, trust_remote_code=False
        ).eval()
        if half:
            for part in self._core.modules():
                if isinstance(part, torch.nn.Linear):
                    part.to(torch.bfloat16)
                    part.register_forward_pre_hook(lambda _, inputs: (inputs[0].bfloat16(),))
                    part.register_forward_hook(lambda _, __, output: output.float())

    def __call__(self, row: Row) -> Vector:
        """Hidden states, float32 [tokens, d]."""
        torch = self._torch
        owner = torch.from_numpy(row.owner)
        apart = owner[:, None] != owner[None, :]
        mask = torch.zeros(apart.shape).masked_fill(apart, torch.finfo(torch.float32).min)
        with torch.inference_mode():
            hidden = self._core(
                input_ids=torch.from_numpy(row.ids)[None],
                position_ids=torch.from_numpy(row.positions)[None],
                attention_mask=mask[None, None],
            ).last_hidden_state[0]
        return np.asarray(hidden.numpy(), dtype=np.float32)


def half_supported() -> bool:
    """Whether the processor multiplies bf16."""
    try:
        flags = next(line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags"))
    except (OSError, StopIteration):
        return False
    return any(flag in flags.split() for flag in _HALF)


def _tokenizer(model: PackableModel) -> Any:
    if not _has("tokenizers"):
        raise EncoderMissing(f"{model.folder.name!r} needs tokenizers: pip install 'staywell[encoders]'")
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(model.limit)
    return tokenizer


def _has(*packages: str) -> bool:
    return all(util.find_spec(package) is not None for package in packages)
