"""One index snapshot: an immutable folder with a manifest, built aside and renamed into place when it is complete.

000007-3f9a…/            sequence and hash of what it was built from
  manifest.json          format, encoder fingerprint, counts, SHA-256 of every other file
  script/ product/ article/
                         documents.jsonl, columns.npz, hashes.bin, lexical/, vectors.faiss; script/ also intents.npz
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from retrieval import articles as passages
from retrieval import codec, collection_build, intent_head, lexical
from retrieval.collection import Collection
from retrieval.collection_build import Progress
from retrieval.documents import KINDS, Article, Document, Encoder, Kind, Product, Script, Vector
from retrieval.errors import BadSnapshot

FORMAT = 8


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An opened snapshot. A kind without documents has no collection."""

    path: Path
    name: str
    fingerprint: str | None  # None: built without an encoder, lexical only
    counts: Mapping[str, Mapping[str, int]]
    collections: Mapping[Kind, Collection]

    @classmethod
    def open(cls, path: Path, fingerprint: str | None) -> Snapshot:
        """Verify and open a snapshot. `fingerprint` is that of the encoder which queries will be encoded with.

        Raises `BadSnapshot` when a file is missing, added or altered, when the format is another, or when the vectors were
        made with another encoder. With `fingerprint` None (no encoder at hand) any snapshot opens, lexically.
        """
        manifest = read_manifest(path)
        made_with = manifest["encoder"]
        if fingerprint is not None and made_with is not None and made_with != fingerprint:
            raise BadSnapshot(f"{path.name}: made with encoder {made_with}, not {fingerprint}: build the index again")
        for name, expected in manifest["files"].items():
            if _hash(path / name) != expected:
                raise BadSnapshot(f"{path.name}: {name} is damaged")
        dense = fingerprint is not None and made_with is not None
        opened: dict[Kind, Collection] = {
            kind: Collection(kind, path / kind, dense) for kind in KINDS if kind in manifest["counts"]
        }
        return cls(path, path.name, made_with if dense else None, manifest["counts"], opened)

    def vectors_by_hash(self) -> dict[str, Vector]:
        """Vectors of all indexed texts by their hash, to build the next snapshot from."""
        found: dict[str, Vector] = {}
        for part in self.collections.values():
            found.update(part.vectors_by_hash())
        return found


def source_hash(documents: Iterable[Document], fingerprint: str | None) -> str:
    """Hash of everything a snapshot is made of: equal hashes mean equal snapshots."""
    lines = sorted(map(codec.to_line, documents))
    settings = orjson.dumps([FORMAT, fingerprint, lexical.K1, lexical.B, passages.LONG, *intent_head.SETTINGS])
    return codec.digest(settings, *(line + b"\n" for line in lines))


def write(
    folder: Path,
    name: str,
    scripts: Sequence[Script],
    products: Sequence[Product],
    encoder: Encoder | None,
    known: Mapping[str, Vector],
    progress: Progress | None = None,
    articles: Sequence[Article] = (),
) -> Path:
    """Build the snapshot `name` inside `folder`, aside, and rename it into place. Returns its path.

    Texts whose hash is in `known` are not encoded again. An interrupted build leaves only a `.building-*` folder.
    Document ids must be unique within a locale; raises ValueError otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".building-", dir=folder))
    try:
        counts: dict[str, Any] = {}
        parts: tuple[tuple[Kind, Sequence[Document]], ...] = (
            ("script", scripts),
            ("product", products),
            ("article", articles),
        )
        for kind, documents in parts:
            _check_unique(kind, documents)
            if documents:
                counts[kind] = collection_build.write(kind, documents, aside / kind, encoder, known.get, progress)
        files = {file.relative_to(aside).as_posix(): _hash(file) for file in sorted(aside.rglob("*")) if file.is_file()}
        manifest = {
            "format": FORMAT,
            "encoder": None if encoder is None else encoder.fingerprint,
            "dim": None if encoder is None else encoder.dim,
            "counts": counts,
            "files": files,
        }
        (aside / "manifest.json").write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        for file in aside.rglob("*"):
            _flush(file)
        _flush(aside)
        target = folder / name
        try:
            aside.rename(target)
        except OSError:
            if not (target / "manifest.json").is_file():
                raise
            shutil.rmtree(aside)  # another process built the same at the same time
        _flush(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return target


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a snapshot folder, checked against the files that are there. Raises `BadSnapshot`."""
    try:
        manifest = orjson.loads((path / "manifest.json").read_bytes())
        version, files, counts = manifest["format"], manifest["files"], manifest["counts"]
        encoder = manifest["encoder"]
    except (OSError, ValueError, TypeError, KeyError) as fault:
        raise BadSnapshot(f"{path.name}: no readable manifest") from fault
    if (
        version != FORMAT
        or not isinstance(files, dict)
        or not isinstance(counts, dict)
        or not isinstance(encoder, str | None)
    ):
        raise BadSnapshot(f"{path.name}: format {version!r} is not one that this version reads ({FORMAT})")
    there = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()} - {"manifest.json"}
    if there != set(files):
        odd = ", ".join(sorted(there ^ set(files))[:3])
        raise BadSnapshot(f"{path.name}: files missing or added: {odd}")
    checked: dict[str, Any] = manifest
    return checked


def _check_unique(kind: Kind, documents: Sequence[Document]) -> None:
    seen: set[tuple[str, str]] = set()
    for document in documents:
        key = (document.id, document.locale)
        if key in seen:
            raise ValueError(f"{kind} {document.id!r} ({document.locale}) stands twice")
        seen.add(key)


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as fault:
        raise BadSnapshot(f"{path.parent.name}: {path.name} cannot be read") from fault


def _flush(path: Path) -> None:
    """Make a file or a folder's entries survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
