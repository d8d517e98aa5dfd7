"""A sentence-transformers model as a folder: where it is, what it is called by its content, and whether it can be packed."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Any, Final

from retrieval import e5
from retrieval.errors import EncoderMissing
from retrieval.kept import made_whole
from retrieval.text import CLEANING

# Contents that make no difference to a vector: papers, other formats of the same weights, hidden files.
_IGNORED: Final = re.compile(
    r"(^|/)(\.|onnx/|openvino/|readme|license)|\.(md|txt\.license|png|onnx|bin|h5|msgpack|ot)$", re.I
)
_OFFSET: Final = {
    "bert": False,
    "roberta": True,
    "xlm-roberta": True,
}  # roberta counts positions from the padding index


@dataclass(frozen=True, slots=True)
class PackableModel:
    """What packing must know of a BERT-like model with mean pooling. `prefix` comes before every text; `limit` is in tokens."""

    folder: Path
    config: dict[str, Any]
    first_position: int
    limit: int
    prefix: str

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.config["hidden_size"])


def resolve(name: str, cache_dir: Path) -> Path:
    """The folder of the model called `name`: "e5", a folder, or a name at a hub.

    What comes from a hub is saved under `cache_dir` once; from then on no network is needed, and the weights stay the same.
    Raises `EncoderMissing`.
    """
    if name == "e5":
        return e5.folder(cache_dir)
    here = Path(name)
    if here.is_dir():
        return here
    kept = cache_dir / "hub" / re.sub(r"[^\w.-]+", "--", name)
    if not kept.is_dir():
        _download(name, kept)
    return kept


def _download(name: str, target: Path) -> None:
    loaded = sentence_transformer(name)
    with made_whole(target) as scratch:
        loaded.save(str(scratch), create_model_card=False)


def sentence_transformer(name: str) -> Any:
    """The loaded `SentenceTransformer`, on the processor, ready to encode. Raises `EncoderMissing`."""
    if util.find_spec("sentence_transformers") is None:
        raise EncoderMissing(
            f"the encoder {name!r} needs sentence-transformers: pip install 'staywell[encoders]', or use the encoder 'use'"
        )
    from sentence_transformers import SentenceTransformer

    quiet()
    try:
        return SentenceTransformer(name, device="cpu", trust_remote_code=False).eval()
    except (OSError, ValueError) as fault:
        raise EncoderMissing(f"the encoder {name!r} cannot be loaded: {str(fault).splitlines()[0]}") from fault


def quiet() -> None:
    """No progress bars of transformers on standard error: loading takes a second, and commands have bars of their own."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def fingerprint(folder: Path) -> str:
    """Hash of weights, tokenizer and settings. Ways of computing that give the same vectors share it."""
    digest = hashlib.sha256(json.dumps({"cleaning": CLEANING}).encode())
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and not _IGNORED.search(name):
            with file.open("rb") as content:
                digest.update(name.encode() + hashlib.file_digest(content, "sha256").digest())
    return f"st-{digest.hexdigest()[:16]}"


def packable(folder: Path) -> PackableModel:
    """What the folder says of itself. Raises `EncoderMissing` when the model is of a kind that cannot be packed."""

    def refuse(why: str) -> EncoderMissing:
        return EncoderMissing(f"{folder.name!r} cannot be packed ({why}): load it without packing")

    modules = _json(folder / "modules.json") or []
    kinds = [str(module["type"]).rsplit(".", 1)[-1] for module in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or not set(kinds[2:]) <= {"Normalize"}:
        raise refuse("more than a transformer and its pooling")
    root = folder / modules[0]["path"]
    config, settings = _json(root / "config.json") or {}, _json(root / "sentence_bert_config.json") or {}
    tokenizer = _json(root / "tokenizer_config.json") or {}
    whole = _json(folder / "config_sentence_transformers.json") or {}
    kind = config.get("model_type")
    if kind not in _OFFSET or config.get("position_embedding_type", "absolute") != "absolute":
        raise refuse(f"a {kind} is not BERT-like")
    if config.get("hidden_act") != "gelu":
        raise refuse(f"activation {config.get('hidden_act')}")
    if settings.get("do_lower_case") or not (root / "tokenizer.json").is_file():
        raise refuse("its tokenizer")
    pooling = _json(folder / modules[1]["path"] / "config.json") or {}
    if not _is_mean(pooling):
        raise refuse("its pooling is not the mean")
    first = int(config["pad_token_id"]) + 1 if _OFFSET[kind] else 0
    limits = [
        settings.get("max_seq_length"),
        tokenizer.get("model_max_length"),
        config["max_position_embeddings"] - first,
    ]
    prompts, chosen = whole.get("prompts") or {}, whole.get("default_prompt_name")
    return PackableModel(
        root,
        config,
        first,
        min(int(limit) for limit in limits if limit),
        str(prompts.get(chosen) or "") if chosen else "",
    )


def _is_mean(pooling: dict[str, Any]) -> bool:
    """In both ways of writing it: one mode by name, or a flag a mode."""
    if pooling.get("include_prompt") is False:
        return False
    if "pooling_mode" in pooling:
        return pooling["pooling_mode"] in ("mean", ["mean"])
    modes = {name for name, value in pooling.items() if name.startswith("pooling_mode_") and value}
    return modes == {"pooling_mode_mean_tokens"}


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as fault:
        raise EncoderMissing(f"{file} is not JSON: {fault}") from fault
