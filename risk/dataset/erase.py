"""Erasure reaches the training sets: what an erased conversation left there goes, and the datasheet says that some went."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from risk.dataset import files
from risk.dataset.files import Dataset
from risk.errors import DataRefused

GONE: Final = "rows of erased conversations"  # under `left_out` of the datasheet


def erase(parent: Path, conversations: Collection[str]) -> int:
    """Write anew each training set under `parent` that holds one of these conversations, without them; how many rows went.

    A folder is named by its contents, so it gets another name; the old one is removed after the new one is whole. One that cannot
    be read, or was never finished, is removed: what is in it nobody can tell, and it can be built again.
    """
    gone = 0
    for folder in sorted(entry for entry in parent.glob("*") if entry.is_dir()):
        try:
            found = files.read(folder)
        except DataRefused:
            shutil.rmtree(folder)
            continue
        gone += _without(found, conversations)
    return gone


def _without(found: Dataset, conversations: Collection[str]) -> int:
    kept = [case for case in found.cases if case.conversation.id not in conversations]
    with found.decisions.open(encoding="utf-8") as lines:  # not splitlines: a text may hold U+2028
        log: list[dict[str, Any]] = [json.loads(line) for line in lines]
    rows = [row for row in log if row.get("conversation_id") not in conversations]
    gone = len(found.cases) - len(kept) + len(log) - len(rows)
    if gone:
        left_out = found.sheet["left_out"]
        files.write(
            found.folder.parent,
            site=found.sheet["site"],
            as_of=found.sheet["as_of"],
            horizon_days=found.sheet["horizon_days"],
            decisions=rows,
            cases=kept,
            left_out={**left_out, GONE: int(left_out.get(GONE, 0)) + gone},
        )
        shutil.rmtree(found.folder)
    return gone
