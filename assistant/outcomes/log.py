"""The decision side of the log: one row a turn, written in the transaction that acts on it, never changed afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert

from assistant.errors import StaywellError
from assistant.outcomes.invariants import violations
from assistant.storage.tables import decision


class UnsoundDecision(StaywellError):
    """A decision that must not be logged, and so must not be acted on: a defect of whoever made it."""

    code = "unsound_decision"


def write(connection: Connection, row: Mapping[str, Any]) -> None:
    """Appends a row of `decision`. Raises UnsoundDecision when it breaks an invariant.

    The UNIQUE constraint on (conversation, seq) refuses a second decision for a turn.
    """
    broken = violations(row)
    if broken:
        raise UnsoundDecision(f"decision for turn {row['seq']} breaks: {', '.join(broken)}")
    connection.execute(insert(decision), dict(row))
