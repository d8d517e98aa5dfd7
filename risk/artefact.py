"""A trained model as a folder of data: safetensors, LightGBM text, JSON, a model card, and a manifest that hashes them all.

    model.safetensors   tensors of the conversation model, the reason heads and the calibration curve
    history.txt         LightGBM's own text format
    settings.json       scalars: temperatures, base rate, the priors of the cold start
    lexicon.txt         the linear reader's character n-grams, one a line, in the order of its matrix
    fusion-history.txt  the history branch of a fusion (LightGBM), where the model has one
    fusion-trees.txt    the trees over both branches, where the fusion is trees
    MODEL_CARD.md       for people
    manifest.json       name, encoder, figures, data, and {file: {sha256, bytes}}

Nothing in it can run: a file that is not listed, not of these kinds, of another hash, or that looks like a pickle or an
archive is refused before anything is parsed. Folders are written aside and renamed, so a reader sees all of it or none.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from risk.errors import ArtefactRefused

FORMAT = 2
MANIFEST = "manifest.json"
TENSORS = "model.safetensors"
HISTORY = "history.txt"
SETTINGS = "settings.json"
LEXICON = "lexicon.txt"
CARD = "MODEL_CARD.md"
FILES = (TENSORS, HISTORY, SETTINGS, LEXICON, CARD)
FUSION_HISTORY = "fusion-history.txt"
FUSION_TREES = "fusion-trees.txt"
OPTIONAL = (FUSION_HISTORY, FUSION_TREES)
MAX_BYTES = 64 * 1024 * 1024
_ALIEN = (
    b"\x80\x02",
    b"\x80\x03",
    b"\x80\x04",
    b"\x80\x05",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\x7fELF",
    b"(dp",
    b"(lp",
    b"ccopy_reg",
)


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a folder holds, checked. `version` is `<name>-<first 12 of the hash over all file hashes>`."""

    name: str
    encoder: str  # fingerprint
    encoder_name: str
    tensors: Mapping[str, NDArray[Any]]  # float32 or float64
    history: str
    settings: Mapping[str, Any]
    lexicon: tuple[str, ...]
    card: str
    metrics: Mapping[str, Any]
    data: Mapping[str, Any]
    fusion: Mapping[str, str] = field(default_factory=dict)  # of OPTIONAL: file → LightGBM text

    def contents(self) -> dict[str, bytes]:
        """The files' bytes; the same artefact always gives the same bytes."""
        ordered = {name: np.ascontiguousarray(self.tensors[name]) for name in sorted(self.tensors)}
        settings = json.dumps(self.settings, indent=2, sort_keys=True) + "\n"
        return {
            TENSORS: save_tensors(ordered),
            HISTORY: self.history.encode(),
            SETTINGS: settings.encode(),
            LEXICON: "".join(f"{gram}\n" for gram in self.lexicon).encode("utf-8", "surrogatepass"),
            CARD: self.card.encode(),
            **{name: self.fusion[name].encode() for name in OPTIONAL if name in self.fusion},
        }

    def without_fusion(self) -> Artefact:
        """The same model as it was before its fusion, which only fits the branches that it was trained on."""
        kept = [
            {name: value for name, value in part.items() if name != "fusion"}
            for part in (self.settings, self.metrics, self.data)
        ]
        tensors = {name: value for name, value in self.tensors.items() if not name.startswith("fusion.")}
        return replace(self, tensors=tensors, settings=kept[0], metrics=kept[1], data=kept[2], fusion={})

    @property
    def version(self) -> str:
        """Names the artefact by its contents."""
        return f"{self.name}-{_joint_hash(_hashes(self.contents()))[:12]}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _hashes(contents: Mapping[str, bytes]) -> dict[str, str]:
    # The card is for people and quotes figures; what serves is the rest.
    return {name: _sha256(data) for name, data in sorted(contents.items()) if name != CARD}


def _joint_hash(hashes: Mapping[str, str]) -> str:
    return _sha256("".join(f"{name}:{value}\n" for name, value in sorted(hashes.items())).encode())


def save(artefact: Artefact, folder: Path) -> Path:
    """Write `<folder>/<version>/` and give its path. An artefact that is already there is replaced only in its card."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = artefact.contents()
    manifest = {
        "format": FORMAT,
        "name": artefact.name,
        "version": artefact.version,
        "encoder": {"name": artefact.encoder_name, "fingerprint": artefact.encoder},
        "files": {name: {"sha256": _sha256(data), "bytes": len(data)} for name, data in sorted(contents.items())},
        "metrics": artefact.metrics,
        "data": artefact.data,
    }
    target = folder / artefact.version
    aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        for name, data in {
            **contents,
            MANIFEST: (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode(),
        }.items():
            with (aside / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        aside.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        aside.rename(target)
    finally:
        if aside.exists():
            shutil.rmtree(aside)
    return target


def _bytes(path: Path) -> bytes:
    try:
        if path.is_symlink() or not path.is_file():
            raise ArtefactRefused(f"{path.name} is missing")
        if path.stat().st_size > MAX_BYTES:
            raise ArtefactRefused(f"{path.name} is larger than any model of ours")
        return path.read_bytes()
    except OSError as broken:
        raise ArtefactRefused(f"{path.name} cannot be read: {broken.strerror}") from broken


def _checked_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(_bytes(folder / MANIFEST))
        if manifest["format"] != FORMAT:
            raise ArtefactRefused(f"manifest format {manifest['format']!r} is not {FORMAT}")
        listed = set(manifest["files"])
        if not set(FILES) <= listed <= {*FILES, *OPTIONAL}:
            raise ArtefactRefused(
                f"the manifest must list {', '.join(FILES)}, maybe {', '.join(OPTIONAL)}, and nothing else"
            )
        for entry in (
            manifest["name"],
            manifest["version"],
            manifest["encoder"]["name"],
            manifest["encoder"]["fingerprint"],
        ):
            if not isinstance(entry, str):
                raise ArtefactRefused("the manifest's names must be strings")
        if not isinstance(manifest["metrics"], dict) or not isinstance(manifest["data"], dict):
            raise ArtefactRefused("the manifest's metrics and data must be objects")
    except (ValueError, KeyError, TypeError, RecursionError) as broken:
        raise ArtefactRefused(f"{MANIFEST} is malformed: {broken}") from broken
    return dict(manifest)


def about(folder: Path) -> tuple[dict[str, Any], str]:
    """Manifest and card, to be shown to people. Raises `ArtefactRefused`; the other files are checked by `load`."""
    return _checked_manifest(folder), _bytes(folder / CARD).decode("utf-8", "replace")


def load(folder: Path, *, encoder: str | None = None) -> Artefact:
    """Read and check a folder. `encoder`: the fingerprint in use; None skips that check. Raises `ArtefactRefused`."""
    if not folder.is_dir():
        raise ArtefactRefused(f"no model folder {folder.name}")
    strangers = sorted(p.name for p in folder.iterdir() if p.name not in {*FILES, *OPTIONAL, MANIFEST})
    if strangers:
        raise ArtefactRefused(f"the model folder holds files that no manifest lists: {', '.join(strangers)}")
    manifest = _checked_manifest(folder)
    unlisted = [name for name in OPTIONAL if name not in manifest["files"] and (folder / name).exists()]
    if unlisted:
        raise ArtefactRefused(f"the model folder holds files that no manifest lists: {', '.join(unlisted)}")
    contents: dict[str, bytes] = {}
    for name in (*FILES, *(name for name in OPTIONAL if name in manifest["files"])):
        data = _bytes(folder / name)
        if data.startswith(_ALIEN):
            raise ArtefactRefused(f"{name} is a pickle, an archive or a program, not a model")
        expected = manifest["files"][name]
        if not isinstance(expected, dict) or len(data) != expected.get("bytes"):
            raise ArtefactRefused(f"{name} is truncated or was changed: {len(data)} bytes")
        if _sha256(data) != expected.get("sha256"):
            raise ArtefactRefused(f"{name} does not have the hash that the manifest states")
        contents[name] = data
    fingerprint = manifest["encoder"]["fingerprint"]
    if encoder is not None and fingerprint != encoder:
        raise ArtefactRefused(f"the model was trained with encoder {fingerprint}, the one in use is {encoder}")
    if manifest["version"] != f"{manifest['name']}-{_joint_hash(_hashes(contents))[:12]}":
        raise ArtefactRefused("the manifest's version does not follow from its files")
    try:
        tensors = load_tensors(contents[TENSORS])
        settings = json.loads(contents[SETTINGS])
        lexicon = tuple(contents[LEXICON].decode("utf-8", "surrogatepass").split("\n")[:-1])
    except (SafetensorError, ValueError, RecursionError) as broken:
        raise ArtefactRefused(f"the model's files cannot be parsed: {broken}") from broken
    if not isinstance(settings, dict):
        raise ArtefactRefused(f"{SETTINGS} must hold an object")
    if not all(t.dtype in (np.float32, np.float64) and np.isfinite(t).all() for t in tensors.values()):
        raise ArtefactRefused("the model holds tensors that are not finite numbers")
    return Artefact(
        name=manifest["name"],
        encoder=fingerprint,
        encoder_name=manifest["encoder"]["name"],
        tensors=tensors,
        history=contents[HISTORY].decode(),
        settings=settings,
        lexicon=lexicon,
        card=contents[CARD].decode(),
        metrics=manifest["metrics"],
        data=manifest["data"],
        fusion={name: contents[name].decode() for name in OPTIONAL if name in contents},
    )


def parts(tensors: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The tensors under a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
