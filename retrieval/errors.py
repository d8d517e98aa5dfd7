"""What can go wrong in retrieval. Plain exceptions: this package knows no web framework and no error tree of one."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError


class BadSnapshot(Exception):
    """An index snapshot that must not be used: damaged, incomplete, of another format, or made with another encoder."""


class NoSnapshot(Exception):
    """There is no usable index snapshot in the folder."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """A row that was left out of an import. `line` counts from 1 and includes a header."""

    line: int
    reason: str
    source: str = ""

    def __str__(self) -> str:
        return f"{self.source or 'line'}:{self.line}: {self.reason}"


def explain(fault: ValidationError) -> str:
    """The first problems of a row in one line: where, and what."""
    problems = [
        f"{'.'.join(str(part) for part in error['loc']) or 'row'}: {error['msg']}"
        for error in fault.errors(include_url=False)[:3]
    ]
    return "; ".join(problems)


class EncoderMissing(Exception):
    """The named encoder cannot be loaded here; the message says what to install or which name to give."""
