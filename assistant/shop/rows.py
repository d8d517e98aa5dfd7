"""Rows of imported files, read by `retrieval.tables` and validated one at a time.

A bad row is reported with its line and reason, and the rest goes in.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar

from pydantic import BaseModel, ValidationError

from assistant.errors import BadInput, BadRow
from retrieval import tables

M = TypeVar("M", bound=BaseModel)


@dataclass(slots=True)
class Report:
    """What came of an import."""

    read: int = 0
    stored: int = 0
    unchanged: int = 0
    bad: list[BadRow] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "read": self.read,
            "stored": self.stored,
            "unchanged": self.unchanged,
            "rejected": [{"line": row.line, "reason": str(row)} for row in self.bad],
        }


def open_text(path: Path) -> TextIO:
    """The file as UTF-8 text, unpacked when its name ends in .gz."""
    if not path.is_file():
        raise BadInput(f"there is no file {path.name}")
    return io.TextIOWrapper(tables.opened(path), encoding="utf-8-sig", errors="strict", newline="")


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | BadRow]]:
    """(line, row) of a .jsonl or .csv file, or (line, BadRow) where a line cannot be read. Lines count from 1."""
    if not path.is_file():
        raise BadInput(f"there is no file {path.name}")
    try:
        for line, row in tables.read_rows(path):
            yield line, BadRow(row, line=line) if isinstance(row, str) else row
    except ValueError as error:
        raise BadInput(str(error)) from error


def parse_map(text: str) -> dict[str, str]:
    """`customer=CustomerID,order=InvoiceNo` as {our field: their column}."""
    pairs: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        ours, found, theirs = part.partition("=")
        if not found or not ours.strip() or not theirs.strip():
            raise BadInput(f"--map: '{part}' is not FIELD=COLUMN")
        pairs[ours.strip()] = theirs.strip()
    return pairs


def renamed(row: Mapping[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    """The row with their column names replaced by our field names; unmapped columns keep theirs."""
    back = {theirs: ours for ours, theirs in mapping.items()}
    return {back.get(name, name): value for name, value in row.items()}


def validated(model: type[M], row: Mapping[str, Any], line: int) -> M | BadRow:
    """The row as `model`, or a BadRow that names the field and what is wrong with it."""
    try:
        return model.model_validate(dict(row))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "row"
        return BadRow(f"{where}: {first['msg'].removeprefix('Value error, ')}", line=line)


def milliseconds(value: Any) -> int:
    """UTC ms of an ISO 8601 text, a date, seconds or milliseconds; a text without an offset is taken as UTC."""
    if isinstance(value, bool) or value is None:
        raise ValueError("not a time")
    if isinstance(value, int | float):
        number = float(value)
        if not 0 <= number < 1e14:
            raise ValueError("out of range")
        return int(number if number > 1e11 else number * 1000)
    text = str(value).strip()
    if text.replace(".", "", 1).isdigit():
        return milliseconds(float(text))
    for form in ("%m/%d/%Y %H:%M", "%m/%d/%Y"):
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp() * 1000)
        except ValueError:
            continue
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text[:40]}' is not a time: write 2026-11-24 or 2026-11-24T09:30:00Z") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
