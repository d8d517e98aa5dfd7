"""What a verified customer has bought and sent back: what may be spoken of, and what must not be recommended again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, select

from assistant.storage.tables import order_return, orders
from retrieval.recommend import Purchase

ORDERS_LOOKED_AT: Final = 100
RETURNS_LOOKED_AT: Final = 20


@dataclass(frozen=True, slots=True)
class Shopping:
    """A customer's orders and returns, as far as a turn needs them. Empty for a guest."""

    order: Mapping[str, Any] | None = None  # the one named in the turn, else the latest
    return_no: str | None = None  # of the latest return
    purchases: tuple[Purchase, ...] = ()  # of orders that were not cancelled
    returned: frozenset[str] = frozenset()  # products
    spoken_of: frozenset[str] = frozenset()  # products of `order`


def shopping(connection: Connection, of_site: RowMapping, person: RowMapping, texts: tuple[str, ...]) -> Shopping:
    """The shopping of the contact, only where the shop has vouched for who it is. `texts` may name an order."""
    if not person["verified"] or person["external_id"] is None:
        return Shopping()
    mine = (orders.c.site_id == of_site["id"], orders.c.external_customer_id == person["external_id"])
    bought = (
        connection.execute(select(orders).where(*mine).order_by(orders.c.ts_event.desc()).limit(ORDERS_LOOKED_AT))
        .mappings()
        .all()
    )
    returned = connection.execute(
        select(order_return.c.return_no, order_return.c.product_id)
        .where(
            order_return.c.site_id == of_site["id"],
            order_return.c.external_customer_id == person["external_id"],
        )
        .order_by(order_return.c.ts_event.desc())
        .limit(RETURNS_LOOKED_AT)
    ).all()
    words = "\n".join(texts).casefold()
    named = next((row for row in bought if row["order_no"].casefold() in words), None)
    order = named or (bought[0] if bought else None)
    return Shopping(
        order=None if order is None else dict(order),
        return_no=returned[0].return_no if returned else None,
        purchases=tuple(purchases_of(bought)),
        returned=frozenset(row.product_id for row in returned if row.product_id),
        spoken_of=frozenset() if order is None else frozenset(_products(order)),
    )


def purchases_of(rows: Sequence[RowMapping]) -> list[Purchase]:
    """Purchases of rows of `orders`; what was cancelled was not bought."""
    return [
        Purchase(product, row["order_no"], row["ts_event"])
        for row in rows
        if row["status"] != "cancelled"
        for product in _products(row)
    ]


def _products(row: RowMapping) -> list[str]:
    return [str(line["product_id"]) for line in row["lines"] if line.get("product_id")]
