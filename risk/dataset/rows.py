"""Conversations of a training set as lines of its files, and what the datasheet counts of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from risk.conversation.data import Conversation
from risk.types import ContactRecord, History, Message, OrderRecord, ReturnRecord, VisitRecord


@dataclass(frozen=True, slots=True)
class Case:
    """A conversation with its label: `left` 1: bought nothing since, 0: did, NaN: the window is not over.

    `seqs` are its messages' numbers in the log.
    """

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
class Tally:
    """What the datasheet counts of a case."""

    customer: str
    language: str
    ended_at: int
    left: bool
    treated: bool
    weight: float
    holdout: bool


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the conversations of a set, as UTF-8 lines of each file. Plain data, which may come from another process."""

    decisions: bytes
    cases: bytes
    open: bytes
    decided: int  # lines in `decisions`
    waiting: int  # lines in `open`
    tallies: tuple[Tally, ...]
    left_out: Mapping[str, int]


def part(
    decisions: Iterable[Mapping[str, Any]],
    cases: Sequence[Case],
    *,
    still_open: Sequence[Case] = (),
    left_out: Mapping[str, int] | None = None,
) -> Part:
    """Lines of rows of the log, of cases with a label, and of cases whose window is not over."""
    logged = [_line(dict(row)) for row in decisions]
    return Part(
        decisions=b"".join(logged),
        cases=b"".join(_line(_row(case)) for case in cases),
        open=b"".join(_line(_row(case)) for case in still_open),
        decided=len(logged),
        waiting=len(still_open),
        tallies=tuple(_tally(case) for case in cases),
        left_out=dict(left_out or {}),
    )


def counts(tallies: Sequence[Tally]) -> dict[str, Any]:
    """The datasheet's figures of all cases; they do not depend on how the cases were divided into parts."""
    spared = [one.weight for one in tallies if not one.treated]
    squared = math.fsum(weight * weight for weight in spared)
    languages = sorted({one.language for one in tallies})
    return {
        "cases": len(tallies),
        "customers": len({one.customer for one in tallies}),
        "left": sum(one.left for one in tallies),
        "treated": sum(one.treated for one in tallies),
        "holdout": sum(one.holdout for one in tallies),
        "untreated_effective": round(math.fsum(spared) ** 2 / squared, 1) if squared else 0.0,
        "languages": {language: sum(one.language == language for one in tallies) for language in languages},
        "first": min((one.ended_at for one in tallies), default=None),
        "last": max((one.ended_at for one in tallies), default=None),
    }


def read(path: Path) -> Iterator[Case]:
    """The cases in a file."""
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
                left=math.nan if row["left"] is None else float(row["left"]),
                treated=row["treated"],
                weight=float(row["weight"]),
                holdout=row["holdout"],
            )


def _tally(case: Case) -> Tally:
    return Tally(
        customer=case.customer,
        language=case.conversation.language,
        ended_at=case.ended_at,
        left=case.left == 1.0,
        treated=case.treated,
        weight=_weight(case),
        holdout=case.holdout,
    )


def _weight(case: Case) -> float:
    return round(case.weight, 9)


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
        "left": None if math.isnan(case.left) else case.left,
        "treated": case.treated,
        "weight": _weight(case),
        "holdout": case.holdout,
    }


def _line(row: Mapping[str, Any]) -> bytes:
    text = json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8") + b"\n"
