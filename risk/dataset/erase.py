"""Erasure reaches the training sets: what an erased conversation left there goes, and datasheet and lineage say that some went."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from risk.dataset import files, lineage
from risk.dataset.files import Dataset
from risk.dataset.rows import Case, part
from risk.errors import DataRefused

GONE: Final = "rows of erased conversations"  # under `left_out` of the datasheet


@dataclass(frozen=True, slots=True)
class Gone:
    """How many rows went, and the texts in them, whose vectors may be kept elsewhere."""

    rows: int
    texts: frozenset[str]


def erase(parent: Path, conversations: Collection[str], *, now: int) -> Gone:
    """Write anew each training set under `parent` that holds one of these conversations, without them.

    A folder is named by its contents, so it gets another name; the old one is removed after the new one is whole, and a line of
    the lineage leads from one to the other. One that cannot be read, or is not finished, is removed: what is in it nobody can tell,
    and it can be built again. Reports beside the data lose the ids of these conversations.
    """
    rows, texts = 0, set[str]()
    for folder in sorted(entry for entry in parent.glob("*") if entry.is_dir()):
        try:
            found = files.read(folder)
        except DataRefused:
            shutil.rmtree(folder)
            if not folder.name.startswith(files.ASIDE):
                lineage.note(parent, at=now, old=folder.name, new=None, rows=0)
            continue
        part_of = _without(found, conversations, now)
        rows, texts = rows + part_of.rows, texts | part_of.texts
    return Gone(rows, frozenset(texts))


def _without(found: Dataset, conversations: Collection[str], now: int) -> Gone:
    still_open = found.still_open()
    kept = [case for case in found.cases if case.conversation.id not in conversations]
    kept_open = [case for case in still_open if case.conversation.id not in conversations]
    with found.decisions.open(encoding="utf-8") as lines:  # not splitlines: a text may hold U+2028
        log: list[dict[str, Any]] = [json.loads(line) for line in lines]
    decisions = [row for row in log if row.get("conversation_id") not in conversations]
    gone = len(found.cases) - len(kept) + len(still_open) - len(kept_open) + len(log) - len(decisions)
    if not gone:
        return Gone(0, frozenset())
    left_out = found.sheet["left_out"]
    target = files.write(
        found.folder.parent,
        site=found.sheet["site"],
        as_of=found.sheet["as_of"],
        horizon_days=found.sheet["horizon_days"],
        parts=[
            part(
                decisions,
                kept,
                still_open=kept_open,
                left_out={**left_out, GONE: int(left_out.get(GONE, 0)) + gone},
            )
        ],
        erased=[*found.sheet.get("erased", ()), {"at": now, "from": found.name, "rows": gone}],
    )
    for report in found.folder.glob("*.json"):
        if report.name != files.SHEET and not (target / report.name).exists():
            _carry(report, target / report.name, conversations)
    lineage.note(found.folder.parent, at=now, old=found.name, new=target.name, rows=gone)
    shutil.rmtree(found.folder)
    erased = (case for case in (*found.cases, *still_open) if case.conversation.id in conversations)
    return Gone(gone, frozenset(_texts(erased)))


def _texts(cases: Iterator[Case]) -> Iterator[str]:
    for case in cases:
        for message in case.conversation.messages:
            yield message.text


def _carry(report: Path, to: Path, conversations: Collection[str]) -> None:
    """A report without the erased ids; one that cannot be read stays behind."""
    try:
        content = _stripped(json.loads(report.read_text(encoding="utf-8")), conversations)
    except (OSError, ValueError):
        return
    to.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _stripped(value: Any, conversations: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {name: _stripped(one, conversations) for name, one in value.items()}
    if isinstance(value, list):
        return [_stripped(one, conversations) for one in value if not (isinstance(one, str) and one in conversations)]
    return value
