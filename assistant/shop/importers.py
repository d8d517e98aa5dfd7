"""Contacts, orders and returns from files into the database. Idempotent: a row that is known already is left as it is.

Money in files is in major units ("12.50"); times are ISO 8601, dates, or Unix seconds or milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection, insert, select, update

from assistant.errors import BadRow
from assistant.identity.keys import customer_key
from assistant.ids import new_id
from assistant.shop.rows import Report, milliseconds, read_rows, renamed, validated
from assistant.storage.engine import Storage
from assistant.storage.tables import contact, order_return, orders

BATCH = 500
ZERO_DECIMAL = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "UGX"})

Row = TypeVar("Row", bound=BaseModel)
Text = Annotated[
    str, BeforeValidator(lambda value: str(value).strip()), StringConstraints(min_length=1, max_length=200)
]
Time = Annotated[int, BeforeValidator(milliseconds)]


def _amount(value: Any) -> Decimal:
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError("not an amount") from None
    if not amount.is_finite() or abs(amount) > 10**9:
        raise ValueError("out of range")
    return amount


Amount = Annotated[Decimal, BeforeValidator(_amount)]


def minor_units(amount: Decimal, currency: str) -> int:
    """12.50 EUR → 1250."""
    return int((amount * (1 if currency in ZERO_DECIMAL else 100)).to_integral_value())


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ContactRow(_Row):
    """One customer of the shop."""

    external_id: Text
    name: Text | None = None
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)] | None = None
    locale: Text | None = None
    region: Text | None = None
    since: Time | None = None


class LineRow(_Row):
    """One line of an order."""

    product_id: Text
    title: Annotated[str, StringConstraints(max_length=500)] = ""
    quantity: int = Field(1, ge=1, le=1_000_000)
    unit_price: Amount = Decimal(0)


class OrderRow(_Row):
    """One order. `lines` only in JSONL."""

    order: Text
    customer: Text
    date: Time
    total: Amount = Field(ge=0)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "EUR"
    status: Literal["placed", "shipped", "delivered", "cancelled"] = "placed"
    coupon: Text | None = None
    promised: Time | None = None
    delivered: Time | None = None
    lines: tuple[LineRow, ...] = Field((), max_length=1000)


class ReturnRow(_Row):
    """One return."""

    return_no: Text
    order: Text
    customer: Text
    date: Time
    amount: Amount = Field(ge=0)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "EUR"
    product_id: Text | None = None
    reason: Annotated[str, StringConstraints(max_length=32)] | None = None


class TransactionRow(_Row):
    """One line of a till roll: a negative quantity, or an order number that starts with C, is a cancellation or a return."""

    order: Text
    customer: Annotated[str, BeforeValidator(lambda value: str(value).strip().removesuffix(".0")), Field(min_length=1)]
    date: Time
    product: Text
    quantity: int = Field(ge=-1_000_000, le=1_000_000)
    price: Amount
    description: Annotated[str, StringConstraints(max_length=500)] = ""


Progress = Callable[[int], None]
Put = Callable[[Connection, Any], bool]  # one row; False: it was there already


def import_contacts(
    storage: Storage,
    path: Path,
    *,
    site_id: str,
    secret: bytes,
    now: int,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Customers, by `external_id`."""

    def put(connection: Connection, row: ContactRow) -> bool:
        return put_contact(connection, row, site_id=site_id, secret=secret, now=now)

    return _run(storage, _parsed(path, ContactRow, mapping or {}), put, progress)


def import_orders(
    storage: Storage,
    path: Path,
    *,
    site_id: str,
    now: int,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Orders, by `order`. A later row may move the status on and fill in the delivery; nothing else changes."""
    return _run(
        storage,
        _parsed(path, OrderRow, mapping or {}),
        lambda c, row: put_order(c, row, site_id=site_id, now=now),
        progress,
    )


def import_returns(
    storage: Storage,
    path: Path,
    *,
    site_id: str,
    now: int,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Returns, by `return_no`."""
    return _run(
        storage,
        _parsed(path, ReturnRow, mapping or {}),
        lambda c, row: put_return(c, row, site_id=site_id, now=now),
        progress,
    )


def import_transactions(
    storage: Storage,
    path: Path,
    *,
    site_id: str,
    now: int,
    currency: str,
    mapping: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Lines of a till roll, gathered into orders and returns."""
    report = Report()
    bought: dict[tuple[str, str], list[TransactionRow]] = {}
    given_back: dict[tuple[str, str], list[TransactionRow]] = {}
    for _line, row in _parsed(path, TransactionRow, mapping or {}):
        report.read += 1
        if isinstance(row, BadRow):
            report.bad.append(row)
            continue
        back = row.quantity < 0 or row.order.upper().startswith("C")
        (given_back if back else bought).setdefault((row.order, row.customer), []).append(row)
        if progress:
            progress(1)
    order_rows = (_order_of(lines, currency) for lines in bought.values())
    return_rows = (_return_of(lines, currency) for lines in given_back.values())
    for done in (
        _run(
            storage, ((0, row) for row in order_rows), lambda c, row: put_order(c, row, site_id=site_id, now=now), None
        ),
        _run(
            storage,
            ((0, row) for row in return_rows),
            lambda c, row: put_return(c, row, site_id=site_id, now=now),
            None,
        ),
    ):
        report.stored += done.stored
        report.unchanged += done.unchanged
    return report


def put_contact(connection: Connection, row: ContactRow, *, site_id: str, secret: bytes, now: int) -> bool:
    """Stores or completes one contact; False when nothing changed."""
    known = (
        connection.execute(
            select(contact).where(contact.c.site_id == site_id, contact.c.external_id == row.external_id)
        )
        .mappings()
        .first()
    )
    values = {
        "name": row.name,
        "email": row.email,
        "locale": row.locale,
        "region": row.region,
    }
    if known is None:
        connection.execute(
            insert(contact).values(
                id=new_id(),
                site_id=site_id,
                external_id=row.external_id,
                customer_key=customer_key(secret, site_id, row.external_id),
                first_seen_at=row.since if row.since is not None else now,
                **values,
            )
        )
        return True
    changed: dict[str, Any] = {
        name: value for name, value in values.items() if value is not None and known[name] != value
    }
    if row.since is not None and row.since < known["first_seen_at"]:
        changed["first_seen_at"] = row.since
    if changed:
        connection.execute(update(contact).where(contact.c.id == known["id"]).values(**changed))
    return bool(changed)


def put_order(connection: Connection, row: OrderRow, *, site_id: str, now: int) -> bool:
    """Stores one order or moves its status on; False when nothing changed."""
    known = connection.execute(
        select(orders.c.id, orders.c.status, orders.c.delivered_at).where(
            orders.c.site_id == site_id, orders.c.order_no == row.order
        )
    ).first()
    if known is not None:
        changed: dict[str, Any] = {}
        if row.status != known.status:
            changed["status"] = row.status
        if row.delivered is not None and known.delivered_at is None:
            changed["delivered_at"] = row.delivered
        if changed:
            connection.execute(update(orders).where(orders.c.id == known.id).values(**changed))
        return bool(changed)
    connection.execute(
        insert(orders).values(
            id=new_id(),
            site_id=site_id,
            order_no=row.order,
            external_customer_id=row.customer,
            status=row.status,
            total=minor_units(row.total, row.currency),
            currency=row.currency,
            coupon=row.coupon,
            promised_at=row.promised,
            delivered_at=row.delivered,
            lines=[
                {
                    "product_id": line.product_id,
                    "title": line.title,
                    "quantity": line.quantity,
                    "unit_price": minor_units(line.unit_price, row.currency),
                }
                for line in row.lines
            ],
            ts_event=row.date,
            ts_ingested=now,
        )
    )
    return True


def put_return(connection: Connection, row: ReturnRow, *, site_id: str, now: int) -> bool:
    """Stores one return; False when it is known."""
    known = connection.execute(
        select(order_return.c.id).where(order_return.c.site_id == site_id, order_return.c.return_no == row.return_no)
    ).first()
    if known is not None:
        return False
    connection.execute(
        insert(order_return).values(
            id=new_id(),
            site_id=site_id,
            return_no=row.return_no,
            order_no=row.order,
            external_customer_id=row.customer,
            product_id=row.product_id,
            reason=row.reason,
            amount=minor_units(row.amount, row.currency),
            ts_event=row.date,
            ts_ingested=now,
        )
    )
    return True


def _parsed(path: Path, model: type[Row], mapping: Mapping[str, str]) -> Iterator[tuple[int, Row | BadRow]]:
    for line, row in read_rows(path):
        yield line, row if isinstance(row, BadRow) else validated(model, renamed(row, mapping), line)


def _run(storage: Storage, rows: Iterator[tuple[int, Row | BadRow]], put: Put, progress: Progress | None) -> Report:
    """Stores good rows in batches, one transaction each, and gathers the bad ones."""
    report = Report()
    while batch := list(islice(rows, BATCH)):
        good: Sequence[Any] = [row for _line, row in batch if not isinstance(row, BadRow)]
        report.bad.extend(row for _line, row in batch if isinstance(row, BadRow))
        stored = storage.write_sync(lambda connection, good=good: sum(put(connection, row) for row in good))  # type: ignore[misc]
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
