"""A randomised trial read from a CSV file: features from before the treatment, who was treated, what came of it.

Columns that tell the outcome are left out by themselves: one that is only ever set when the outcome happened, or without which it
never does, was recorded afterwards ("spend" beside "visit"). So are identifiers and constant columns. What was left out, and why,
is part of every answer.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from risk.errors import DataRefused
from risk.metrics import auc

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEVELS: Final = 40  # of a column of words; more make it an identifier
RARE: Final = 20  # rows below which a level is "other"
TELLS: Final = 0.95  # AUC of a single column from which it is the outcome by another name
LEAST_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Arm:
    """`COLUMN=VALUE`."""

    column: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises DataRefused on anything else."""
        column, equals, value = text.partition("=")
        if not equals or not column or not value:
            raise DataRefused(f"an arm is given as COLUMN=VALUE, not {text!r}")
        return cls(column.strip(), value.strip())


@dataclass(frozen=True, slots=True)
class Rows:
    """A file's rows that belong to one of the two arms, as text."""

    columns: Mapping[str, Sequence[str]]
    treated: Bools
    outcome: Floats

    def __len__(self) -> int:
        return len(self.treated)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How columns become numbers; made on the training rows, used on any."""

    numeric: Mapping[str, float]  # column → median, for empty cells
    levels: Mapping[str, tuple[str, ...]]  # column of words → levels with a feature of their own
    dropped: Mapping[str, str] = field(default_factory=dict)  # column → why

    @property
    def features(self) -> list[str]:
        """Names, in the order of the matrix."""
        return [*self.numeric, *(f"{column}={level}" for column, found in self.levels.items() for level in found)]

    def matrix(self, rows: Rows) -> Floats:
        """Float [n, p]. Raises DataRefused when a column is missing, or holds words where it held numbers."""
        columns: list[Floats] = []
        for name in (*self.numeric, *self.levels):
            if name not in rows.columns:
                raise DataRefused(f"column {name!r} is missing")
        for name, median in self.numeric.items():
            numbers = _numbers(rows.columns[name])
            if numbers is None:
                raise DataRefused(f"column {name!r} held numbers in training and holds words here")
            columns.append(np.where(np.isnan(numbers), median, numbers))
        for name, found in self.levels.items():
            cells = np.asarray(rows.columns[name])
            columns.extend((cells == level).astype(np.float64) for level in found)
        return np.column_stack(columns) if columns else np.empty((len(rows), 0))


def read(path: Path, *, treatment: Arm, control: Arm, outcome: str) -> Rows:
    """The rows of both arms. `.csv` or `.csv.gz`, UTF-8, with a header. Raises DataRefused with the line that cannot be used."""
    if treatment == control:
        raise DataRefused("treatment and control are the same arm")
    columns: dict[str, list[str]] = {}
    treated: list[bool] = []
    outcomes: list[float] = []
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = list(reader.fieldnames or [])
            for needed in dict.fromkeys((treatment.column, control.column, outcome)):
                if needed not in names:
                    raise DataRefused(f"{path.name} has no column {needed!r}; it has: {', '.join(names[:30])}")
            kept = [name for name in names if name not in (treatment.column, control.column, outcome)]
            columns = {name: [] for name in kept}
            for row in reader:
                in_treatment = (row[treatment.column] or "").strip() == treatment.value
                in_control = (row[control.column] or "").strip() == control.value
                if in_treatment == in_control:
                    continue
                outcomes.append(_outcome(row[outcome], reader.line_num, outcome))
                treated.append(in_treatment)
                for name in kept:
                    columns[name].append((row[name] or "").strip())
    except (OSError, UnicodeDecodeError, EOFError, csv.Error) as broken:
        raise DataRefused(f"{path.name} cannot be read: {broken}") from broken
    arms = np.asarray(treated, np.bool_)
    for name, size in (("treatment", int(arms.sum())), ("control", int((~arms).sum()))):
        if size < LEAST_ROWS:
            raise DataRefused(
                f"{path.name} has {size} rows of the {name} arm; {LEAST_ROWS} are the least to measure with"
            )
    return Rows(columns, arms, np.asarray(outcomes, np.float64))


def encode(rows: Rows, drop: Iterable[str] = ()) -> Encoding:
    """Learns the encoding from training rows. Raises DataRefused when nothing is left to rank by."""
    happened = rows.outcome > 0
    unwanted = set(drop)
    unknown = unwanted - rows.columns.keys()
    if unknown:
        raise DataRefused(f"there is no column {min(unknown)!r} to drop")
    numeric: dict[str, float] = {}
    levels: dict[str, tuple[str, ...]] = {}
    dropped: dict[str, str] = {}
    for name, cells in rows.columns.items():
        numbers = _numbers(cells)
        why = "asked for" if name in unwanted else _why_not(cells, numbers, happened)
        if why is not None:
            dropped[name] = why
        elif numbers is not None:
            numeric[name] = float(np.nanmedian(numbers))
        else:
            found, sizes = np.unique(np.asarray(cells), return_counts=True)
            levels[name] = tuple(str(level) for level, size in zip(found, sizes, strict=True) if level and size >= RARE)
    if not numeric and not levels:
        raise DataRefused("no column is left to rank by: " + "; ".join(f"{n}: {w}" for n, w in dropped.items()))
    return Encoding(numeric, levels, dropped)


def _why_not(cells: Sequence[str], numbers: Floats | None, happened: Bools) -> str | None:
    words = np.asarray(cells)
    found, sizes = np.unique(words, return_counts=True)
    if len(found) < 2:
        return "constant"
    if numbers is None and len(found) > LEVELS:
        return "an identifier"
    usual = words == found[np.argmax(sizes)]
    if _implies(~usual, happened) or _implies(happened, ~usual):
        return "recorded after the outcome"
    if numbers is not None and 0 < happened.sum() < len(happened):
        tells = auc(np.where(np.isnan(numbers), -math.inf, numbers), happened.astype(np.float64))
        if max(tells, 1.0 - tells) >= TELLS:
            return "the outcome by another name"
    return None


def _implies(sign: Bools, event: Bools) -> bool:
    """Whether `event` holds wherever `sign` does, and that is no accident: chance would do it less than once in a billion."""
    count = int(sign.sum())
    base = float(event.mean())
    if count < RARE or not 0.0 < base < 1.0 or not bool(event[sign].all()):
        return False
    return count * math.log(base) < math.log(1e-9)


def _numbers(cells: Sequence[str]) -> Floats | None:
    """Cells as numbers, empty ones as NaN; None when one is a word."""
    try:
        found = np.asarray([float(cell) if cell else math.nan for cell in cells], np.float64)
    except ValueError:
        return None
    return None if np.isinf(found).any() or np.isnan(found).all() else found


def _outcome(cell: str | None, line: int, column: str) -> float:
    try:
        value = float(cell or "")
    except ValueError:
        raise DataRefused(f"column {column!r} holds {(cell or '')[:40]!r}, not a number", line=line) from None
    if not math.isfinite(value):
        raise DataRefused(f"column {column!r} holds a number that is not finite", line=line)
    return value
