"""Conversations, purchases and outcomes joined, as known at the moment of each conversation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from retrieval import tables
from risk.conversation import data as conversation_data
from risk.conversation.data import Conversation
from risk.dataset.files import Dataset
from risk.dataset.split import split
from risk.errors import DataRefused
from risk.history import transactions
from risk.types import ContactRecord, History


@dataclass(frozen=True, slots=True)
class Known:
    """What the outcome file says of one conversation."""

    left: float | None = None
    csat: int | None = None
    probability: float | None = None  # the truth, where it is known


@dataclass(frozen=True, slots=True)
class Case:
    """One conversation of a known customer whose label window is over. `history` may reach beyond it: features do not."""

    conversation: Conversation
    history: History
    left: float
    probability: float | None = None
    weight: float = 1.0
    guessed: bool = False  # `left` is a model's guess: it may teach, and nothing is measured by it

    @property
    def customer(self) -> str:
        """Whose conversation it is."""
        return self.conversation.customer or ""

    @property
    def ended_at(self) -> int:
        """Time of the last contact message, UTC milliseconds."""
        return _last_contact(self.conversation) or 0


@dataclass(frozen=True, slots=True)
class Cases:
    """All usable conversations, by time, and why others are not among them. Guessed ones come after all others."""

    rows: tuple[Case, ...]
    left_out: Mapping[str, int]

    @property
    def known(self) -> int:
        """How many have a label that nobody has guessed."""
        return sum(not case.guessed for case in self.rows)


def read(
    conversations: Sequence[Path],
    transactions_file: Path,
    outcomes_file: Path,
    *,
    mapping: Mapping[str, str],
    horizon_days: int,
) -> Cases:
    """The join. Raises `DataRefused` for a file that cannot be used, or when nothing is left to learn from.

    A customer without purchases in the file is kept, with what the earlier conversations say: a shop has such visitors.
    """
    talks = conversation_data.read(conversations)
    bought = transactions.read(transactions_file, mapping)
    known = outcomes(outcomes_file, f"inactive_{horizon_days}")
    left_out = {"without a customer": 0, "without times": 0, "without an outcome": 0}
    placed: list[Conversation] = []
    for talk in talks:
        if talk.customer is None:
            left_out["without a customer"] += 1
        elif _last_contact(talk) is None or talk.messages[0].at_ms is None:
            left_out["without times"] += 1
        else:
            placed.append(talk)
    contacts: dict[str, dict[str, ContactRecord]] = {}
    for talk in placed:
        contacts.setdefault(talk.customer or "", {})[talk.id] = _contact(talk, known.get(talk.id, Known()))
    rows = []
    for talk in placed:
        outcome = known.get(talk.id, Known())
        if outcome.left is None:
            left_out["without an outcome"] += 1
            continue
        past = bought.get(talk.customer or "", History())
        # a conversation is no part of its own history, least of all the rating that came after it
        others = tuple(record for name, record in contacts[talk.customer or ""].items() if name != talk.id)
        history = replace(past, contacts=others)
        rows.append(Case(talk, history, outcome.left, outcome.probability))
    if not rows:
        why = ", ".join(f"{count} {name}" for name, count in left_out.items())
        raise DataRefused(f"no conversation with a customer, times and an outcome inactive_{horizon_days}: {why}")
    return Cases(tuple(sorted(rows, key=lambda case: (case.ended_at, case.conversation.id))), left_out)


def of_dataset(found: Dataset, horizon_days: int, *, judging: bool = False) -> Cases:
    """From a training set that the product built of its own log: the conversations left to ordinary service, by their weights.

    Treated ones teach what treatments do, not who would have left. The customers by whom the gate judges teach nothing;
    with `judging` it is their conversations that are given. Raises `DataRefused`.
    """
    if found.sheet["horizon_days"] != horizon_days:
        raise DataRefused(f"the training set's label is {found.sheet['horizon_days']} days, not {horizon_days}")
    train, judge = split(found.cases)
    part, others = (judge, "not for judging") if judging else (train, "held for judging")
    rows = [
        Case(case.conversation, case.history, case.left, weight=case.weight)
        for case in part
        if not case.treated and _last_contact(case.conversation) is not None
    ]
    if not rows:
        raise DataRefused(f"no conversation was left to ordinary service and is not {others}")
    treated = sum(case.treated for case in part)
    left_out = {**found.sheet["left_out"], "treated": treated, others: len(found.cases) - len(part)}
    return Cases(tuple(sorted(rows, key=lambda case: (case.ended_at, case.conversation.id))), left_out)


def since(cases: Cases, moment: int) -> Cases:
    """The conversations that ended at a moment (UTC milliseconds) or later; raises `DataRefused` when there are none."""
    rows = tuple(case for case in cases.rows if case.ended_at >= moment)
    if not rows:
        raise DataRefused("no conversation is that new")
    return Cases(rows, {**cases.left_out, "older": len(cases.rows) - len(rows)})


def _last_contact(talk: Conversation) -> int | None:
    said = [m.at_ms for m in talk.messages if m.role == "contact"]
    return said[-1] if said else None


def _contact(talk: Conversation, known: Known) -> ContactRecord:
    """As the shop's own history would hold it: known once it is over; escalated when a person answered."""
    times = [m.at_ms for m in talk.messages if m.at_ms is not None]
    return ContactRecord(times[0], times[-1], known.csat, any(m.role == "agent" for m in talk.messages))


def outcomes(path: Path, kind: str) -> dict[str, Known]:
    """Conversation → what became of it, from rows of the outcome log or from decisions with their outcomes.

    CSV or JSON lines, plain or gzipped. A row has `conversation_id`, `type`, `value`, and maybe `probability`, `id` and
    `supersedes`; a row of `staywell export both` has `conversation_id` and a list `outcomes` of these. A row that another one
    supersedes counts nothing; of several, the last one counts.
    """
    rows = [(line, row) for line, raw in _rows(path) for row in _flat(raw)]
    gone = {row["supersedes"] for _, row in rows if row.get("supersedes")}
    found: dict[str, Known] = {}
    for line, row in rows:
        if row.get("type") not in (kind, "csat") or (row.get("id") and row["id"] in gone):
            continue
        name = row.get("conversation_id")
        if not name:
            raise DataRefused("an outcome needs a conversation_id", line=line)
        value = _number(row.get("value"), line)
        before = found.get(str(name), Known())
        if row["type"] == "csat":
            found[str(name)] = Known(before.left, round(value), before.probability)
            continue
        if value not in (0.0, 1.0):
            raise DataRefused(f"{kind} is 1 (bought nothing) or 0, not {value:g}", line=line)
        truth = row.get("probability")
        found[str(name)] = Known(value, before.csat, None if truth in (None, "") else _number(truth, line))
    if not any(one.left is not None for one in found.values()):
        raise DataRefused(f"{path.name} holds no outcome {kind}")
    return found


def _number(value: Any, line: int) -> float:
    try:
        number = float(value)
        if math.isfinite(number):
            return number
    except (TypeError, ValueError, OverflowError):
        pass
    raise DataRefused(f"{value!r} is not a number", line=line)


def _flat(raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    nested = raw.get("outcomes")
    if nested is None:
        return [raw]
    if not isinstance(nested, list):
        return []
    return [{**one, "conversation_id": raw.get("conversation_id")} for one in nested if isinstance(one, dict)]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        for line, row in tables.read_rows(path):
            if isinstance(row, str):
                raise DataRefused(f"{path.name}: {row}", line=line)
            yield line, row
    except ValueError as broken:
        raise DataRefused(str(broken)) from broken
