"""A training set on disk: a folder named by what is in it.

    <name>/decisions.jsonl   the decision log with outcomes, as `staywell export both` writes it
           cases.jsonl       conversations whose label is known, with the customer's history and the weight of the row
           datasheet.json    when, from what, how many, what was left out, SHA-256 of the other files
           DATASHEET.md      the same for people

Built again as of the same moment it is the same, byte for byte, however much the log has grown since: nothing counts that was
learnt later. Files are written aside and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from risk.conversation.data import Conversation
from risk.errors import DataRefused
from risk.types import ContactRecord, History, Message, OrderRecord, ReturnRecord, VisitRecord

FORMAT: Final = 1
FOLDER: Final = "training"  # where an installation keeps them, in its data directory
DECISIONS, CASES, SHEET, CARD = "decisions.jsonl", "cases.jsonl", "datasheet.json", "DATASHEET.md"


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation whose label window is over. `seqs` are its messages' numbers in the log; `left` 1: bought nothing since."""

    conversation: Conversation
    seqs: tuple[int, ...]
    history: History
    left: float
    treated: bool
    weight: float
    holdout: bool

    @property
    def customer(self) -> str:
        """Keyed hash of the customer."""
        return self.conversation.customer or ""

    @property
    def ended_at(self) -> int:
        """Time of the last message, UTC milliseconds."""
        return self.conversation.messages[-1].at_ms or 0


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


def write(
    parent: Path,
    *,
    site: str,
    as_of: int,
    horizon_days: int,
    decisions: Iterable[Mapping[str, Any]],
    cases: Iterable[Case],
    left_out: Mapping[str, int],
) -> Path:
    """Write `<parent>/<site>-<day>-<hash>/`; one that is there already is left alone. Gives its path."""
    parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".writing-", dir=parent))
    try:
        rows = _lines(aside / DECISIONS, (dict(row) for row in decisions))
        kept: list[Case] = []
        _lines(aside / CASES, _noted(cases, kept))
        sheet = {
            "format": FORMAT,
            "site": site,
            "as_of": as_of,
            "horizon_days": horizon_days,
            "decisions": rows,
            **_counts(kept),
            "left_out": dict(sorted(left_out.items())),
            "files": {name: _sha256(aside / name) for name in (DECISIONS, CASES)},
        }
        (aside / SHEET).write_text(json.dumps(sheet, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        (aside / CARD).write_text(_card(sheet), encoding="utf-8")
        joint = hashlib.sha256("".join(sheet["files"].values()).encode()).hexdigest()[:12]
        day = datetime.fromtimestamp(as_of / 1000, UTC).strftime("%Y%m%d")
        target = parent / f"{site}-{day}-{joint}"
        if not target.exists():
            aside.chmod(0o755)
            aside.rename(target)
        return target
    finally:
        if aside.exists():
            shutil.rmtree(aside)


def read(folder: Path) -> Dataset:
    """Read and check a folder; raises `DataRefused` for one that is incomplete or was changed."""
    try:
        sheet = json.loads((folder / SHEET).read_text(encoding="utf-8"))
        if sheet["format"] != FORMAT:
            raise DataRefused(f"training set format {sheet['format']!r} is not {FORMAT}")
        for name, expected in sheet["files"].items():
            if _sha256(folder / name) != expected:
                raise DataRefused(f"{name} does not have the hash that the datasheet states")
        cases = tuple(_cases(folder / CASES))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as broken:
        raise DataRefused(f"{folder.name} is no training set: {broken}") from broken
    return Dataset(folder.name, folder, sheet, cases)


def _noted(cases: Iterable[Case], kept: list[Case]) -> Iterator[dict[str, Any]]:
    for case in cases:
        kept.append(case)
        yield _row(case)


def _lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(
                json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False) + "\n"
            )
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return count


def _row(case: Case) -> dict[str, Any]:
    talk = case.conversation
    return {
        "id": talk.id,
        "language": talk.language,
        "customer_id": talk.customer,
        "messages": [
            {"role": m.role, "text": m.text, "at_ms": m.at_ms, "seq": seq}
            for m, seq in zip(talk.messages, case.seqs, strict=True)
        ],
        "history": asdict(case.history),
        "left": case.left,
        "treated": case.treated,
        "weight": round(case.weight, 9),
        "holdout": case.holdout,
    }


def _cases(path: Path) -> Iterator[Case]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            messages = tuple(Message(m["role"], m["text"], m["at_ms"]) for m in row["messages"])
            past = row["history"]
            yield Case(
                conversation=Conversation(
                    row["id"], row["language"], messages, (None,) * len(messages), customer=row["customer_id"]
                ),
                seqs=tuple(m["seq"] for m in row["messages"]),
                history=History(
                    orders=tuple(OrderRecord(**o) for o in past["orders"]),
                    returns=tuple(ReturnRecord(**r) for r in past["returns"]),
                    contacts=tuple(ContactRecord(**c) for c in past["contacts"]),
                    visits=tuple(VisitRecord(**v) for v in past.get("visits", ())),
                    first_seen_ms=past["first_seen_ms"],
                ),
                left=float(row["left"]),
                treated=row["treated"],
                weight=float(row["weight"]),
                holdout=row["holdout"],
            )


def _counts(cases: list[Case]) -> dict[str, Any]:
    spared = [case.weight for case in cases if not case.treated]
    squared = sum(weight * weight for weight in spared)
    languages = sorted({case.conversation.language for case in cases})
    return {
        "cases": len(cases),
        "customers": len({case.customer for case in cases}),
        "left": sum(case.left == 1.0 for case in cases),
        "treated": sum(case.treated for case in cases),
        "holdout": sum(case.holdout for case in cases),
        "untreated_effective": round(sum(spared) ** 2 / squared, 1) if squared else 0.0,
        "languages": {lang: sum(case.conversation.language == lang for case in cases) for lang in languages},
        "first": min((case.ended_at for case in cases), default=None),
        "last": max((case.ended_at for case in cases), default=None),
    }


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

Left out:

{left_out}
It holds what customers wrote. Customers are keyed hashes; texts are as they were typed. An erased customer's rows are deleted
here too.
"""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
