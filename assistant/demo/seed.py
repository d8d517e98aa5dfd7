"""Fills an empty database with the demo shop: site, people, catalogue, playbook, orders, returns. Later starts skip it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection

from assistant.demo import data
from assistant.identity.agents import Role, create_agent
from assistant.identity.sites import Site, create, find_site_by_key
from assistant.shop.catalogue import put_documents
from assistant.shop.records import (
    ContactRow,
    LineRow,
    OrderRow,
    ReturnRow,
    Target,
    put_contact,
    put_order,
    put_return,
)
from assistant.storage.engine import Storage
from assistant.storage.tables import site as sites
from retrieval import playbook
from retrieval.documents import Document

SITE_KEY: Final = "demo"
PASSWORD: Final = "staywell-demo"  # noqa: S105 - printed at the start; the demo listens on loopback only


@dataclass(frozen=True, slots=True)
class DemoAgent:
    """Who works in the demo shop."""

    login: str
    name: str
    role: Role
    languages: tuple[str, ...]


AGENTS: Final = (
    DemoAgent("mara", "Mara", "agent", ("en",)),
    DemoAgent("lin", "林", "agent", ("zh", "en")),
    DemoAgent("sam", "Sam", "supervisor", ("en", "zh")),
)


def seed(storage: Storage, *, secret: bytes, origins: Sequence[str], now: int) -> Site:
    """The demo's site; makes everything when it is not there. `origins`: pages that may embed the widget."""
    known = storage.read_sync(lambda connection: find_site_by_key(connection, SITE_KEY))
    if known is not None:
        storage.write_sync(lambda connection: _embed_from(connection, known.id, origins))
        return known

    def everything(connection: Connection) -> Site:
        made = create(
            connection,
            key=SITE_KEY,
            name=data.SHOP_NAME["en"],
            now=now,
            currency="EUR",
            origins=origins,
            identity_secret=secrets.token_hex(32),
            settings={"names": data.SHOP_NAME},
        )
        for who in AGENTS:
            create_agent(
                connection,
                site_id=made.id,
                login=who.login,
                name=who.name,
                password=PASSWORD,
                role=who.role,
                languages=who.languages,
                now=now,
            )
        scripts, _faults = playbook.load(playbook.packaged())
        documents: list[Document] = [*scripts, *data.load_products(), *data.load_articles()]
        put_documents(connection, documents, site_id=made.id, now=now)
        _put_records(connection, made.id, secret, now)
        return made

    return storage.write_sync(everything)


def _embed_from(connection: Connection, site_id: str, origins: Sequence[str]) -> None:
    """The demo may listen on another port than last time."""
    connection.execute(sites.update().where(sites.c.id == site_id).values(origins=list(origins)))


def _put_records(connection: Connection, site_id: str, secret: bytes, now: int) -> None:
    """Contacts, orders and returns, each learned of when it happened, so that earlier conversations see what was known then."""
    for person in data.load_contacts(now):
        contact_row = ContactRow(
            external_id=person.external_id,
            name=person.name,
            email=person.email,
            locale=person.locale,
            region=person.region,
            since=person.since_ms,
        )
        put_contact(connection, contact_row, Target(site_id, secret, now))
    for order in data.load_orders(now):
        order_row = OrderRow(
            order=order.order_no,
            customer=order.external_customer_id,
            date=order.ordered_at,
            total=_major(order.total),
            currency=order.currency,
            status=order.status,
            coupon=order.coupon,
            promised=order.promised_at,
            delivered=order.delivered_at,
            lines=tuple(
                LineRow(
                    product_id=line.product_id,
                    title=line.title,
                    quantity=line.quantity,
                    unit_price=_major(line.unit_price),
                )
                for line in order.lines
            ),
        )
        put_order(connection, order_row, Target(site_id, secret, order.ordered_at))
    for back in data.load_returns(now):
        return_row = ReturnRow(
            return_no=back.return_no,
            order=back.order_no,
            customer=back.external_customer_id,
            date=back.returned_at,
            amount=_major(back.amount),
            product_id=back.product_id,
            reason=back.reason,
        )
        put_return(connection, return_row, Target(site_id, secret, back.returned_at))


def _major(minor: int) -> Decimal:
    return Decimal(minor) / 100
