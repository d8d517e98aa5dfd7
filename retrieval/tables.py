"""Files of rows, CSV or JSON lines, gzipped or not: read one row at a time, so that a bad one never stops the good ones."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, TextIO, TypeVar

import orjson
from pydantic import ValidationError

from retrieval.errors import RowFault, explain

MAX_ROW: Final = 1_000_000  # characters; a longer row is refused, not read into a model
KINDS: Final = (".csv", ".jsonl", ".ndjson")
DELIMITERS: Final = (",", ";", "\t")
_BOM: Final = b"\xef\xbb\xbf"

Binary = io.BufferedReader | gzip.GzipFile
Numbered = tuple[int, dict[str, Any] | str]


class Document(Protocol):
    """What a file may hold once in each locale."""

    @property
    def id(self) -> str: ...
    @property
    def locale(self) -> str: ...


D = TypeVar("D", bound=Document)


def read_rows(path: Path) -> Iterator[Numbered]:
    """(line, row) of a .csv or .jsonl file; a row that cannot be read gives its reason instead. Lines count from 1.

    Cells that hold nothing are left out, and so are lines of them. Raises ValueError when the file as a whole cannot be read,
    maybe only after its first rows. What separates the cells of a CSV is read off its header: comma, semicolon or tab.
    """
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind not in KINDS:
        raise ValueError(f"{path.name}: expected .csv or .jsonl, maybe with .gz")
    try:
        with opened(path) as file:
            yield from _csv_rows(file) if kind == ".csv" else _json_rows(file)
    except UnicodeDecodeError as fault:
        raise ValueError(f"{path.name} is not UTF-8 text ({fault.reason})") from fault
    except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
        raise ValueError(f"{path.name} is not a whole gzip file") from fault
    except OSError as fault:
        raise ValueError(f"{path.name} cannot be read: {fault.strerror or fault}") from fault
    except _Unusable as fault:
        raise ValueError(f"{path.name}: {fault}") from fault


def by_header(path: Path) -> tuple[list[str], Iterator[Numbered]]:
    """The column names of a CSV file, maybe gzipped, and its rows as `read_rows` gives them, for readers that look for their
    columns by name. The file is read as a whole. Raises ValueError when it cannot be read."""
    try:
        with opened(path) as file:
            text = file.read().decode("utf-8-sig")
        return _csv(io.StringIO(text, newline=""))
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, _Unusable) as fault:
        raise ValueError(f"{path.name} cannot be read: {fault}") from fault


def opened(path: Path) -> Binary:
    """The file's bytes, unpacked when its name ends in .gz."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def documents(
    rows: Iterable[Numbered], make: Callable[[dict[str, Any]], D], source: str
) -> tuple[list[D], list[RowFault]]:
    """What `make` builds of the good rows, each id once in a locale, and what is wrong with the others.

    `make` raises ValueError, of which pydantic's is one, for a row that it refuses.
    """
    found: list[D] = []
    faults: list[RowFault] = []
    seen: dict[tuple[str, str], int] = {}
    for line, fields in rows:
        try:
            if isinstance(fields, str):
                raise ValueError(fields)
            document = make(fields)
            first = seen.setdefault((document.id, document.locale), line)
            if first != line:
                raise ValueError(f"id {document.id!r} already stands at line {first}")
        except ValidationError as fault:
            faults.append(RowFault(line, explain(fault), source))
        except ValueError as fault:
            faults.append(RowFault(line, str(fault), source))
        else:
            found.append(document)
    return found, faults


class _Unusable(Exception):
    """Why a file cannot be read at all."""


def _json_rows(file: Binary) -> Iterator[Numbered]:
    for line, content in enumerate(file, start=1):
        text = content.removeprefix(_BOM) if line == 1 else content
        if not text.strip():
            continue
        if len(text) > MAX_ROW and len(text.decode(errors="replace")) > MAX_ROW:
            yield line, f"longer than {MAX_ROW:,} characters"
            continue
        try:
            fields = orjson.loads(text)
        except orjson.JSONDecodeError as fault:
            yield line, f"not JSON: {fault}"
            continue
        yield line, fields if isinstance(fields, dict) else "not a JSON object"


def _csv_rows(file: Binary) -> Iterator[Numbered]:
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        yield from _csv(text)[1]


def _csv(text: TextIO) -> tuple[list[str], Iterator[Numbered]]:
    """The header, and the rows below it."""
    csv.field_size_limit(MAX_ROW)
    first = text.readline(MAX_ROW)
    text.seek(0)
    # Spreadsheets of half of Europe write semicolons.
    reader = csv.reader(text, strict=True, delimiter=max(DELIMITERS, key=first.count))
    try:
        header = [name.strip() for name in next(reader)]
    except StopIteration:
        raise _Unusable("the file is empty") from None
    except csv.Error as fault:
        raise _Unusable(f"the first line is not CSV: {fault}") from fault
    if len(set(header)) != len(header):
        raise _Unusable("two columns have the same name")
    return header, _below(reader, header)


def _below(reader: Any, header: Sequence[str]) -> Iterator[Numbered]:
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            yield line, f"not CSV: {fault}"
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            yield line, f"{len(cells)} fields where the header has {len(header)}"
            continue
        yield line, {name: cell for name, cell in zip(header, cells, strict=True) if cell.strip()}
