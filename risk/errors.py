"""What risk may refuse. `ModelFault` (a score that must not leave) stands in `risk.types`, beside the contract."""

from __future__ import annotations


class RiskError(Exception):
    """Base of what this package refuses; the message is for people."""


class ArtefactRefused(RiskError):
    """A model folder that must not be loaded: missing, truncated, changed, of another encoder, or unsafe."""


class DataRefused(RiskError):
    """A file of conversations or transactions that cannot be used. `line` counts from 1, None for the whole file."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


class ExtraMissing(RiskError):
    """Training and evaluation need the `train` extra."""
