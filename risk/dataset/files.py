"""A training set on disk: a folder named by what is in it.

    <name>/decisions.jsonl   the decision log with outcomes, in rows like those of `staywell export both`, by conversation
           cases.jsonl       conversations whose label is known, with the customer's history and the weight of the row
           open.jsonl        the same of conversations of known customers whose window is not over: without a label
           datasheet.json    when, from what, how many, what was left out, SHA-256 of the other files
           DATASHEET.md      the same for people

Built again as of the same moment it is the same, byte for byte, however much the log has grown since and in however many processes:
nothing counts that was learnt later. Files are written aside and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from risk.dataset import rows
from risk.dataset.rows import Case, Part, Tally
from risk.errors import DataRefused

FORMAT: Final = 1
FOLDER: Final = "training"  # where an installation keeps them, in its data directory
DECISIONS, CASES, OPEN = "decisions.jsonl", "cases.jsonl", "open.jsonl"
SHEET, CARD = "datasheet.json", "DATASHEET.md"
ASIDE: Final = ".writing-"  # how the name of a folder that is not finished begins


@dataclass(frozen=True, slots=True)
class Dataset:
    """A folder that was read and checked."""

    name: str
    folder: Path
    sheet: Mapping[str, Any]
    cases: tuple[Case, ...]

    @property
    def decisions(self) -> Path:
        """The log, for `risk.ope.read_log`."""
        return self.folder / DECISIONS

    def still_open(self) -> tuple[Case, ...]:
        """Conversations whose window is not over; a set of an older version has kept none."""
        return tuple(rows.read(self.folder / OPEN)) if OPEN in self.sheet["files"] else ()


def write(
    parent: Path,
    *,
    site: str,
    as_of: int,
    horizon_days: int,
    parts: Iterable[Part],
    erased: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write `<parent>/<site>-<day>-<hash>/`; one that is there already is left alone. Gives its path.

    `parts` are asked for one after another, and none is kept in memory. `erased` is the set's lineage: what was taken out of sets
    that it replaces. Raises `DataRefused` when the folder is removed meanwhile, as an erasure does with what is not finished.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with _aside(parent) as aside:
        sheet: dict[str, Any] = {
            "format": FORMAT,
            "site": site,
            "as_of": as_of,
            "horizon_days": horizon_days,
            **_written(aside, parts),
            "files": {name: _sha256(aside / name) for name in (DECISIONS, CASES, OPEN)},
        }
        if erased:
            sheet["erased"] = [dict(one) for one in erased]
        (aside / SHEET).write_text(json.dumps(sheet, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (aside / CARD).write_text(_card(sheet), encoding="utf-8")
        joint = hashlib.sha256("".join(sheet["files"].values()).encode()).hexdigest()[:12]
        day = datetime.fromtimestamp(as_of / 1000, UTC).strftime("%Y%m%d")
        target = parent / f"{site}-{day}-{joint}"
        if not target.exists():
            aside.chmod(0o755)
            aside.rename(target)
    return target


def read(folder: Path) -> Dataset:
    """Read and check a folder; raises `DataRefused` for one that is incomplete or was changed."""
    try:
        sheet = json.loads((folder / SHEET).read_text(encoding="utf-8"))
        if sheet["format"] != FORMAT:
            raise DataRefused(f"training set format {sheet['format']!r} is not {FORMAT}")
        for name, expected in sheet["files"].items():
            if _sha256(folder / name) != expected:
                raise DataRefused(f"{name} does not have the hash that the datasheet states")
        cases = tuple(rows.read(folder / CASES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as broken:
        raise DataRefused(f"{folder.name} is no training set: {broken}") from broken
    return Dataset(folder.name, folder, sheet, cases)


@contextmanager
def _aside(parent: Path) -> Iterator[Path]:
    aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=parent))
    try:
        yield aside
    except FileNotFoundError as gone:
        if aside.exists():
            raise
        raise DataRefused(
            "the training set was removed while it was written: somebody was erased; build it again"
        ) from gone
    finally:
        if aside.exists():
            shutil.rmtree(aside)


def _written(aside: Path, parts: Iterable[Part]) -> dict[str, Any]:
    """Writes the parts' lines; the datasheet's figures."""
    tallies: list[Tally] = []
    left_out: Counter[str] = Counter()
    decided = waiting = 0
    with ExitStack() as stack:
        log, cases, still_open = (stack.enter_context((aside / name).open("wb")) for name in (DECISIONS, CASES, OPEN))
        for part in parts:
            log.write(part.decisions)
            cases.write(part.cases)
            still_open.write(part.open)
            tallies.extend(part.tallies)
            left_out.update(part.left_out)
            decided, waiting = decided + part.decided, waiting + part.waiting
        for file in (log, cases, still_open):
            file.flush()
            os.fsync(file.fileno())
    counted = rows.counts(tallies)
    return {"decisions": decided, **counted, "open": waiting, "left_out": dict(sorted(left_out.items()))}


def _card(sheet: Mapping[str, Any]) -> str:
    day = datetime.fromtimestamp(sheet["as_of"] / 1000, UTC).isoformat(timespec="minutes")
    left_out = "".join(f"- {count} {why}\n" for why, count in sheet["left_out"].items()) or "- nothing\n"
    languages = ", ".join(f"{count} {name}" for name, count in sheet["languages"].items()) or "none"
    return f"""# Training set of the shop `{sheet["site"]}`

What the log held on {day}. Built again as of that moment it is the same.

- {sheet["decisions"]} decisions with their outcomes
- {sheet["cases"]} conversations of {sheet["customers"]} customers with a known label ({languages})
- label: no order within {sheet["horizon_days"]} days after the last message; {sheet["left"]} left
- {sheet["treated"]} were treated (an offer, an escalation that the policy chose, a script marked as one): they teach what
  treatments do. The others teach risk, each weighted by the inverse of its chance of being left alone (effective size
  {sheet["untreated_effective"]})
- {sheet["holdout"]} of customers in the holdout, who are never treated
- {sheet["open"]} more conversations whose window is not over, without a label

Left out:

{left_out}{_lineage(sheet.get("erased", ()))}
It holds what customers wrote. Customers are keyed hashes, and texts are redacted, though a name may still stand in them. An erased
customer's rows are deleted here too.
"""


def _lineage(erased: Sequence[Mapping[str, Any]]) -> str:
    if not erased:
        return ""
    lines = "".join(
        f"- {_day(one['at'])}: {one['rows']} rows of erased conversations were taken out of `{one['from']}`\n"
        for one in erased
    )
    return f"\nIt replaces a set that is gone:\n\n{lines}"


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
