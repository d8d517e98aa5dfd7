"""Erasure reaches the training sets: an erased customer's rows go, and the datasheet says that some went."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection
from pathlib import Path

from risk.dataset import files


def erase(parent: Path, customers: Collection[str]) -> list[Path]:
    """Write anew each training set under `parent` that holds one of these customers (keyed hashes), without them. The new folders.

    A folder is named by its contents, so it gets another name; the old one is removed after the new one is whole.
    """
    made = []
    for folder in sorted(entry.parent for entry in parent.glob(f"*/{files.SHEET}")):
        found = files.read(folder)
        kept = [case for case in found.cases if case.customer not in customers]
        with found.decisions.open(encoding="utf-8") as lines:  # not splitlines: a text may hold U+2028
            log = [json.loads(line) for line in lines]
        rows = [row for row in log if row.get("customer_key") not in customers]
        gone = len(found.cases) - len(kept) + len(log) - len(rows)
        if not gone:
            continue
        before = int(found.sheet["left_out"].get("rows of erased customers", 0))
        made.append(
            files.write(
                parent,
                site=found.sheet["site"],
                as_of=found.sheet["as_of"],
                horizon_days=found.sheet["horizon_days"],
                decisions=rows,
                cases=kept,
                left_out={**found.sheet["left_out"], "rows of erased customers": before + gone},
            )
        )
        shutil.rmtree(folder)
    return made
