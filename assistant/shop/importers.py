"""Files of a shop's records into the database. A known row is left as it is; a bad one is named, the rest goes in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel
from sqlalchemy import Connection

from assistant.errors import BadRow
from assistant.shop.records import (
    ContactRow,
    LineRow,
    OrderRow,
    ReturnRow,
    Target,
    TransactionRow,
    put_contact,
    put_order,
    put_return,
)
from assistant.shop.rows import Report, read_rows, renamed, validated
from assistant.storage.engine import Storage

BATCH = 500

Records = Literal["contacts", "orders", "returns"]
Progress = Callable[[int], None]
Put = Callable[[Connection, Any, Target], bool]  # one row; False: it was there already

_KINDS: Final[dict[Records, tuple[type[BaseModel], Put]]] = {
    "contacts": (ContactRow, put_contact),
    "orders": (OrderRow, put_order),
    "returns": (ReturnRow, put_return),
}


def import_records(
    storage: Storage,
    path: Path,
    kind: Records,
    target: Target,
    *,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Contacts by `external_id`, orders by `order` (a later row may move the status on), returns by `return_no`."""
    model, put = _KINDS[kind]
    return _store(storage, _parsed(path, model, mapping or {}), put, target, progress)


def import_transactions(
    storage: Storage,
    path: Path,
    target: Target,
    *,
    currency: str,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Lines of a till roll, gathered into orders and returns. Holds all good lines in memory: a few hundred bytes each."""
    report = Report()
    bought: dict[tuple[str, str], list[TransactionRow]] = {}
    given_back: dict[tuple[str, str], list[TransactionRow]] = {}
    for row in _parsed(path, TransactionRow, mapping or {}):
        report.read += 1
        if progress:
            progress(1)
        if isinstance(row, BadRow):
            report.bad.append(row)
        elif isinstance(row, TransactionRow):
            back = row.quantity < 0 or row.order.upper().startswith("C")
            (given_back if back else bought).setdefault((row.order, row.customer), []).append(row)
    for done in (
        _store(storage, (_order_of(lines, currency) for lines in bought.values()), put_order, target),
        _store(storage, (_return_of(lines, currency) for lines in given_back.values()), put_return, target),
    ):
        report.stored += done.stored
        report.unchanged += done.unchanged
    return report


def _parsed(path: Path, model: type[BaseModel], mapping: Mapping[str, str]) -> Iterator[BaseModel | BadRow]:
    for line, row in read_rows(path):
        yield row if isinstance(row, BadRow) else validated(model, renamed(row, mapping), line)


def _store(
    storage: Storage, rows: Iterator[BaseModel | BadRow], put: Put, target: Target, progress: Progress | None = None
) -> Report:
    """Stores good rows in batches, one transaction each, and gathers the bad ones."""
    report = Report()
    while batch := list(islice(rows, BATCH)):
        good = [row for row in batch if not isinstance(row, BadRow)]
        report.bad.extend(row for row in batch if isinstance(row, BadRow))
        stored = storage.write_sync(lambda connection, good=good: sum(put(connection, row, target) for row in good))  # type: ignore[misc]
        report.read += len(batch)
        report.stored += stored
        report.unchanged += len(good) - stored
        if progress:
            progress(len(batch))
    return report


def _order_of(lines: Sequence[TransactionRow], currency: str) -> OrderRow:
    first = lines[0]
    return OrderRow.model_construct(
        order=first.order,
        customer=first.customer,
        date=min(line.date for line in lines),
        total=sum((line.price * line.quantity for line in lines), Decimal(0)),
        currency=currency,
        status="delivered",
        coupon=None,
        promised=None,
        delivered=None,
        lines=tuple(
            LineRow.model_construct(
                product_id=line.product, title=line.description, quantity=line.quantity, unit_price=line.price
            )
            for line in lines
        ),
    )


def _return_of(lines: Sequence[TransactionRow], currency: str) -> ReturnRow:
    first = lines[0]
    return ReturnRow.model_construct(
        return_no=first.order,
        order=first.order,
        customer=first.customer,
        date=min(line.date for line in lines),
        amount=abs(sum((line.price * line.quantity for line in lines), Decimal(0))),
        currency=currency,
        product_id=first.product if len(lines) == 1 else None,
        reason=None,
    )
