"""An encoder's last layers adapted to conversations (LoRA: Hu et al., 2022), optional and before everything else is trained.

A turn's vector learns to tell the turn's level: low-rank changes of the last layers' matrices, and a linear head that is thrown
away afterwards. The changes are merged, so that what is written is an ordinary sentence-transformers folder with a fingerprint of
its own, which serves, packs and caches like any other. The encoder has then seen the labels of what it was adapted on: figures out
of fold need an encoder for each fold (`fold_lookups`).
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retrieval import model_folder
from retrieval.encoders import cache_folder, load
from retrieval.errors import EncoderMissing
from retrieval.kept import made_whole
from retrieval.model_folder import PackableModel
from retrieval.text import clean
from risk.conversation.data import Conversation
from risk.errors import DataRefused, ExtraMissing
from risk.types import Vector

LONGEST = 64  # tokens of a turn that teach
TARGETS = ("query", "key", "value", "dense")  # the matrices of a BERT's layer
HEAD_RATE = 2e-3
SMOOTHING = 0.05  # of labels: annotators disagree
MADE = "adapted.json"  # beside the weights: what they were adapted on

Progress = Callable[[int, int], None]
Report = Callable[[str, int, int], None]  # stage, done, total
Turn = tuple[str, int]  # text and level


@dataclass(frozen=True, slots=True)
class Adaptation:
    """How far an encoder is adapted."""

    layers: int = 4  # the last ones
    rank: int = 8
    epochs: int = 1
    rate: float = 5e-4
    batch: int = 32


def source_of(encoder: str, cache_dir: Path | None = None) -> Path:
    """The folder of the encoder called `encoder` (as `retrieval.encoders.load` takes it), if it has layers to adapt.

    Raises `EncoderMissing`.
    """
    if encoder in ("use", "hash"):
        raise EncoderMissing(
            f"the encoder {encoder!r} has no layers to adapt: choose e5, packed:NAME, a name or a folder"
        )
    model = encoder.partition(":")[2] if encoder.startswith("packed") and ":" in encoder else encoder
    folder = model_folder.resolve(model, cache_folder(cache_dir))
    model_folder.packable(folder)
    return folder


def labelled(conversations: Sequence[Conversation]) -> list[Turn]:
    """Texts and levels of the turns that somebody labelled."""
    return [
        (message.text, level)
        for c in conversations
        for message, level in zip(c.messages, c.levels, strict=True)
        if level is not None and message.text.strip()
    ]


def adapt(
    source: Path,
    turns: Sequence[Turn],
    target: Path,
    seed: int,
    chosen: Adaptation,
    progress: Progress = lambda done, total: None,
) -> None:
    """Write `source`, adapted to `turns`, into the new folder `target`, whole or not at all. Seeded and repeatable.

    Raises `DataRefused` (nothing to tell apart, or a target that exists), `EncoderMissing`, `ExtraMissing`.
    """
    if len({level for _, level in turns}) < 2:
        raise DataRefused("the labelled turns are all of one level: there is nothing to adapt an encoder to")
    if target.exists():
        raise DataRefused(f"{target} exists already: an adapted encoder is never written over another one")
    model = model_folder.packable(source)
    merged = _fit(model, turns, seed, chosen, progress)
    with made_whole(target) as scratch:
        _write(source, model, merged, scratch)
        described = {"base": model_folder.fingerprint(source), "turns": len(turns), "seed": seed, **asdict(chosen)}
        (scratch / MADE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")


def fold_lookups(
    source: Path,
    conversations: Sequence[Conversation],
    fold: Sequence[int],
    texts: Sequence[str],
    seed: int,
    chosen: Adaptation,
    report: Report,
) -> list[Mapping[str, Vector]]:
    """For each fold the vectors of `texts` by an encoder that was adapted on the other folds' conversations alone."""
    return [fold_lookup(source, conversations, fold, k, texts, seed, chosen, report) for k in range(max(fold) + 1)]


def fold_lookup(
    source: Path,
    conversations: Sequence[Conversation],
    fold: Sequence[int],
    k: int,
    texts: Sequence[str],
    seed: int,
    chosen: Adaptation,
    report: Report,
) -> Mapping[str, Vector]:
    """The vectors of `texts` by an encoder that has not seen the conversations of fold `k`."""
    turns = labelled([c for c, f in zip(conversations, fold, strict=True) if f != k])
    with tempfile.TemporaryDirectory(prefix="staywell-") as scratch:
        folder = Path(scratch) / "encoder"
        adapt(source, turns, folder, seed + k, chosen, lambda done, total: report(f"adapt, fold {k + 1}", done, total))
        return _vectors(folder, texts, lambda done, total: report(f"encode, fold {k + 1}", done, total))


def _vectors(folder: Path, texts: Sequence[str], progress: Progress) -> dict[str, Vector]:
    encoder = load(f"packed-torch:{folder}", folder.parent)
    distinct = sorted(set(texts))
    found: dict[str, Vector] = {}
    for start in range(0, len(distinct), 512):
        part = distinct[start : start + 512]
        found.update(zip(part, encoder.encode(part), strict=True))
        progress(start + len(part), len(distinct))
    return found


def _fit(
    model: PackableModel, turns: Sequence[Turn], seed: int, chosen: Adaptation, progress: Progress
) -> Mapping[str, Any]:
    """The merged weights by their names, as torch tensors."""
    try:
        import peft
        import torch
        from tokenizers import Tokenizer
        from torch.nn import functional as F  # noqa: N812 (the usual name)
        from transformers import AutoModel
    except ImportError as missing:
        raise ExtraMissing("adapting an encoder needs extras: pip install 'staywell[train,encoders]'") from missing

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    model_folder.quiet()
    depth = int(model.config["num_hidden_layers"])
    if not 1 <= chosen.layers <= depth:
        raise DataRefused(f"this encoder has {depth} layers; {chosen.layers} cannot be adapted")
    settings = peft.LoraConfig(
        r=chosen.rank,
        lora_alpha=2 * chosen.rank,
        lora_dropout=0.1,
        target_modules=list(TARGETS),
        layers_to_transform=list(range(depth - chosen.layers, depth)),
        layers_pattern="layer",
    )
    frozen = AutoModel.from_pretrained(str(model.folder), dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that goes away
        core = peft.get_peft_model(frozen, settings)
    head = torch.nn.Linear(model.dim, 3)
    learnt = [p for p in core.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        [{"params": learnt, "lr": chosen.rate}, {"params": head.parameters(), "lr": HEAD_RATE}], weight_decay=1e-2
    )
    tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(min(model.limit, LONGEST))
    tokens = [e.ids for e in tokenizer.encode_batch([model.prefix + clean(text) for text, _ in turns])]
    levels = torch.tensor([level for _, level in turns])
    total = chosen.epochs * -(-len(turns) // chosen.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=[chosen.rate, HEAD_RATE], total_steps=max(total, 1), pct_start=0.1
    )
    core.train()
    pad = int(model.config["pad_token_id"] or 0)
    for step, batch in enumerate(_batches(tokens, chosen, seed), start=1):
        longest = max(len(tokens[i]) for i in batch)
        ids = torch.full((len(batch), longest), pad)
        mask = torch.zeros((len(batch), longest))
        for row, i in enumerate(batch):
            ids[row, : len(tokens[i])] = torch.tensor(tokens[i])
            mask[row, : len(tokens[i])] = 1.0
        hidden = core(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        logits = head(F.normalize(mean) * model.dim**0.5)
        loss = F.cross_entropy(logits, levels[torch.from_numpy(batch)], label_smoothing=SMOOTHING)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        schedule.step()
        progress(step, total)
    return dict(core.merge_and_unload().state_dict())


def _batches(tokens: Sequence[Sequence[int]], chosen: Adaptation, seed: int) -> Iterator[np.ndarray]:
    """Batches of turns of about the same length, in random order, epoch by epoch."""
    rng = np.random.default_rng(seed)
    length = np.array([len(t) for t in tokens])
    for _ in range(chosen.epochs):
        order = np.argsort(length + rng.uniform(0, 3, len(length)), kind="stable")
        parts = [order[start : start + chosen.batch] for start in range(0, len(order), chosen.batch)]
        for place in rng.permutation(len(parts)):
            yield parts[place]


def _write(source: Path, model: PackableModel, merged: Mapping[str, Any], scratch: Path) -> None:
    """The folder of `source` without other forms of its weights; each tensor of its file as it is now."""
    from safetensors.numpy import load_file, save_file

    shutil.copytree(
        source,
        scratch,
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("*.safetensors", "*.bin", "*.h5", "onnx", ".*"),
    )
    file = model.folder / "model.safetensors"
    if not file.is_file():
        raise EncoderMissing(f"{source.name!r} has no model.safetensors")
    tensors: dict[str, Any] = {}
    for name, value in load_file(file).items():
        now = merged.get(name, merged.get(name.partition(".")[2]))
        tensors[name] = value if now is None else np.ascontiguousarray(now.detach().numpy())
    place = scratch / model.folder.relative_to(source) / "model.safetensors"
    save_file(tensors, place, metadata={"format": "pt"})
