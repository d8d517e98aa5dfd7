"""Folders made at first use: another process sees them whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import EncoderMissing


@contextmanager
def made_whole(target: Path) -> Iterator[Path]:
    """Gives an empty folder to write into, which becomes `target` at the end. When another process was faster, its folder stays.

    Raises `EncoderMissing` when the disk does not let it be written; a fault inside leaves nothing behind.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            yield scratch
            for path in (scratch, *scratch.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
            try:
                scratch.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as fault:
        raise EncoderMissing(f"{target} cannot be written: {fault.strerror or fault}") from fault
