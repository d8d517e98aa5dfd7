"""Contacts, orders and returns of a shop: their rows as a shop writes them, and how one is stored. Idempotent.

Money is in major units ("12.50"); times are ISO 8601, dates, or Unix seconds or milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection, insert, select, update

from assistant.identity.keys import customer_key
from assistant.identity.revocation import ERASED
from assistant.ids import new_id
from assistant.shop.rows import milliseconds
from assistant.storage.tables import contact, order_return, orders
from retrieval.currencies import exponent

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
    return int((amount * 10 ** exponent(currency)).to_integral_value())


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


OURS: Final = frozenset({ERASED, "consent"})  # what the product itself keeps among a contact's attributes


def _attributes(value: Any) -> Any:
    """`plan=student|since=2024` of a CSV as a mapping; numbers and truth values as text. The product's own names are refused."""
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        pairs = [part.partition("=") for part in value.split("|") if part.strip()]
        if not all(found for _, found, _ in pairs):
            raise ValueError("attributes read name=value|name=value")
        value = {name.strip(): text.strip() for name, _, text in pairs}
    if not isinstance(value, Mapping):
        raise ValueError("attributes are names with values")
    if OURS & set(value):
        raise ValueError(f"these names are the product's own: {', '.join(sorted(OURS))}")
    return {name: str(text).lower() if isinstance(text, bool) else str(text) for name, text in value.items()}


class ContactRow(_Row):
    """One customer of the shop."""

    external_id: Text
    name: Text | None = None
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=320)] | None = None
    locale: Text | None = None
    region: Text | None = None
    since: Time | None = None
    attributes: Annotated[dict[Text, Text], BeforeValidator(_attributes)] = Field({}, max_length=50)


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


@dataclass(frozen=True, slots=True)
class Target:
    """Where records go: the site, the installation's secret for customer keys, and when we learned of them (UTC ms)."""

    site_id: str
    secret: bytes
    now: int


def put_contact(connection: Connection, row: ContactRow, target: Target) -> bool:
    """Stores or completes one contact; False when nothing changed."""
    known = (
        connection.execute(
            select(contact).where(contact.c.site_id == target.site_id, contact.c.external_id == row.external_id)
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
                site_id=target.site_id,
                external_id=row.external_id,
                customer_key=customer_key(target.secret, target.site_id, row.external_id),
                first_seen_at=row.since if row.since is not None else target.now,
                attributes=row.attributes,
                **values,
            )
        )
        return True
    changed: dict[str, Any] = {
        name: value for name, value in values.items() if value is not None and known[name] != value
    }
    if row.since is not None and row.since < known["first_seen_at"]:
        changed["first_seen_at"] = row.since
    if not row.attributes.items() <= known["attributes"].items():
        changed["attributes"] = {**known["attributes"], **row.attributes}
    if changed:
        connection.execute(update(contact).where(contact.c.id == known["id"]).values(**changed))
    return bool(changed)


def put_order(connection: Connection, row: OrderRow, target: Target) -> bool:
    """Stores one order or moves its status on; False when nothing changed."""
    known = connection.execute(
        select(orders.c.id, orders.c.status, orders.c.delivered_at).where(
            orders.c.site_id == target.site_id, orders.c.order_no == row.order
        )
    ).first()
    if known is not None:
        changed: dict[str, Any] = {}
        if row.status != known.status:
            changed["status"] = row.status
            changed["cancelled_known_at"] = target.now if row.status == "cancelled" else None
        if row.delivered is not None and known.delivered_at is None:
            changed["delivered_at"] = row.delivered
            changed["delivered_known_at"] = target.now
        if changed:
            connection.execute(update(orders).where(orders.c.id == known.id).values(**changed))
        return bool(changed)
    connection.execute(
        insert(orders).values(
            id=new_id(),
            site_id=target.site_id,
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
            ts_ingested=target.now,
        )
    )
    return True


def put_return(connection: Connection, row: ReturnRow, target: Target) -> bool:
    """Stores one return; False when it is known."""
    known = connection.execute(
        select(order_return.c.id).where(
            order_return.c.site_id == target.site_id, order_return.c.return_no == row.return_no
        )
    ).first()
    if known is not None:
        return False
    connection.execute(
        insert(order_return).values(
            id=new_id(),
            site_id=target.site_id,
            return_no=row.return_no,
            order_no=row.order,
            external_customer_id=row.customer,
            product_id=row.product_id,
            reason=row.reason,
            amount=minor_units(row.amount, row.currency),
            ts_event=row.date,
            ts_ingested=target.now,
        )
    )
    return True
