"""The folder of index snapshots: which one serves, building the next, falling back when the newest is damaged."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval import snapshot as snapshots
from retrieval.collection_build import Progress
from retrieval.documents import Article, Encoder, Product, Script, Vector
from retrieval.errors import BadSnapshot, NoSnapshot
from retrieval.snapshot import Snapshot

POINTER = "current"
KEEP = 3  # snapshots left standing after a build, the serving one included
_ABANDONED_S = 6 * 3_600


@dataclass(frozen=True, slots=True)
class Opened:
    """The snapshot that serves, and what was wrong with newer ones that were passed over."""

    snapshot: Snapshot
    refused: tuple[str, ...] = ()


def current(folder: Path, fingerprint: str | None) -> Opened:
    """Open the snapshot that the pointer names, or the newest good one where that one is damaged or missing.

    Raises `NoSnapshot` when none can serve; its message lists why.
    """
    refused: list[str] = []
    for path in _candidates(folder):
        try:
            return Opened(Snapshot.open(path, fingerprint), tuple(refused))
        except BadSnapshot as fault:
            refused.append(str(fault))
    raise NoSnapshot("; ".join(refused) or f"no index snapshot in {folder}: run `staywell index build`")


def pointed(folder: Path) -> str | None:
    """The name in the pointer file: cheap enough to ask every few seconds whether another snapshot should serve."""
    try:
        return (folder / POINTER).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def build(
    folder: Path,
    scripts: Sequence[Script],
    products: Sequence[Product],
    encoder: Encoder | None,
    progress: Progress | None = None,
    articles: Sequence[Article] = (),
) -> Snapshot:
    """Build a snapshot of these documents, point to it, and open it.

    Texts that an earlier snapshot made with the same encoder holds are not encoded again; when nothing changed at all, the
    current snapshot is kept. `encoder` None gives a lexical snapshot. Raises ValueError when an id stands twice.
    """
    fingerprint = None if encoder is None else encoder.fingerprint
    folder.mkdir(parents=True, exist_ok=True)
    known: dict[str, Vector] = {}
    suffix = snapshots.source_hash([*scripts, *products, *articles], fingerprint)[:12]
    try:
        before = current(folder, fingerprint).snapshot
    except NoSnapshot:
        pass
    else:
        if before.name.endswith(f"-{suffix}"):
            _point(folder, before.name)
            return before
        known = before.vectors_by_hash()
    numbers = [int(path.name.partition("-")[0]) for path in _snapshots(folder)]
    name = f"{max(numbers, default=0) + 1:06d}-{suffix}"
    path = snapshots.write(folder, name, scripts, products, encoder, known, progress, articles)
    opened = Snapshot.open(path, fingerprint)
    _point(folder, name)
    _tidy(folder)
    return opened


def _snapshots(folder: Path) -> list[Path]:
    """Snapshot folders, newest first."""
    found = [path for path in folder.iterdir() if path.is_dir() and path.name.partition("-")[0].isdigit()]
    return sorted(found, key=lambda path: path.name, reverse=True)


def _candidates(folder: Path) -> list[Path]:
    """What to try, in order: the one pointed to, then the others, newest first."""
    if not folder.is_dir():
        return []
    found = _snapshots(folder)
    named = pointed(folder)
    return sorted(found, key=lambda path: path.name != named)


def _point(folder: Path, name: str) -> None:
    """Replace the pointer file in one step."""
    handle, aside = tempfile.mkstemp(prefix=".current-", dir=folder)
    with os.fdopen(handle, "w", encoding="utf-8") as pointer:
        pointer.write(name + "\n")
        pointer.flush()
        os.fsync(pointer.fileno())
    Path(aside).replace(folder / POINTER)


def _tidy(folder: Path) -> None:
    """Remove snapshots beyond `KEEP`, and builds that were interrupted long ago. Open ones keep working: they are mapped."""
    for path in _snapshots(folder)[KEEP:]:
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(".building-*"):
        if time.time() - path.stat().st_mtime > _ABANDONED_S:
            shutil.rmtree(path, ignore_errors=True)
