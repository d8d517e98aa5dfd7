"""What became of training sets after they were written: a journal beside them, so that a model's card leads on to what is left.

    lineage.jsonl   one line an erasure: {"at", "from", "to", "rows"}; `to` is null for a set that was removed as a whole

It names sets and counts rows; nothing in it is about a person.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

JOURNAL: Final = "lineage.jsonl"


@dataclass(frozen=True, slots=True)
class Since:
    """A set since it was written. `now` is the set that took its place (None: it is gone), `rows` what was taken out since."""

    name: str
    now: str | None
    rows: int
    at: int | None  # of the last erasure, UTC ms; None: there was none

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"training_set": self.name, "now": self.now, "rows_erased": self.rows, "erased_at": self.at}


def note(parent: Path, *, at: int, old: str, new: str | None, rows: int) -> None:
    """Adds a line, on the disk before it returns."""
    line = json.dumps({"at": at, "from": old, "to": new, "rows": rows}, separators=(",", ":"))
    with (parent / JOURNAL).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def since(parent: Path, name: str) -> Since:
    """What became of the set `name`. A line that a crash has torn is passed over."""
    found = Since(name, name, 0, None)
    try:
        lines = (parent / JOURNAL).read_text(encoding="utf-8").splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            move = json.loads(line)
            if move["from"] == found.now:
                found = Since(name, move["to"], found.rows + int(move["rows"]), int(move["at"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
