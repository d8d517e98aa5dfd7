"""Tables as CSV that a spreadsheet opens without running anything."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

MARK: Final = "\ufeff"  # tells spreadsheets that it is UTF-8
_MARKED: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")


def neutralise(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: a text that begins like one, or with an apostrophe, gets an apostrophe in
    front. Numbers stay."""
    if isinstance(value, str) and value.startswith(_MARKED):
        return f"'{value}"
    return value


def restore(cell: str) -> str:
    """The text that `neutralise` was given."""
    return cell.removeprefix("'")


def write(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Lines of a CSV file, the header first. None is an empty cell; lists are joined with '; '."""
    yield MARK + _line(columns)
    for row in rows:
        yield _line([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        value = "; ".join(str(item) for item in value)
    return neutralise(value)


def _line(cells: Sequence[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()
