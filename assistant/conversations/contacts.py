"""Contacts: guests, customers that the shop vouches for, and a guest who turns out to be one. Functions of a Connection."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, insert, select, update

from assistant.ids import new_id
from assistant.storage.tables import contact, conversation


@dataclass(frozen=True, slots=True)
class Profile:
    """What a shop says about its customer. None: not said, what is known stays."""

    external_id: str
    customer_key: str
    name: str | None = None
    email: str | None = None
    locale: str | None = None
    region: str | None = None

    def said(self) -> dict[str, str]:
        """The columns that are said."""
        fields = {"name": self.name, "email": self.email, "locale": self.locale, "region": self.region}
        return {name: value for name, value in fields.items() if value is not None}


def get(connection: Connection, contact_id: str, *, site_id: str, for_update: bool = False) -> RowMapping | None:
    """The contact's row. `for_update` keeps other writers off it, where the database has more than one."""
    query = select(contact).where(contact.c.id == contact_id, contact.c.site_id == site_id)
    if for_update:
        query = query.with_for_update()
    return connection.execute(query).mappings().first()


def add_guest(
    connection: Connection, contact_id: str, *, site_id: str, customer_key: str, locale: str, now: int
) -> RowMapping:
    """A new contact whom nobody vouches for. The caller makes the id, since the customer key is made of it."""
    return (
        connection.execute(
            insert(contact)
            .values(id=contact_id, site_id=site_id, customer_key=customer_key, locale=locale, first_seen_at=now)
            .returning(contact)
        )
        .mappings()
        .one()
    )


def introduce(
    connection: Connection, contact_id: str, *, site_id: str, name: str | None = None, email: str | None = None
) -> bool:
    """Notes what a guest says of themselves; None: not said. False, and nothing noted, for a contact that the shop vouches for."""
    said = {column: value for column, value in (("name", name), ("email", email)) if value is not None}
    if not said:
        return _is_guest(connection, contact_id, site_id)
    noted = connection.execute(
        update(contact)
        .where(contact.c.id == contact_id, contact.c.site_id == site_id, contact.c.external_id.is_(None))
        .values(**said)
    )
    return noted.rowcount == 1


def identify(
    connection: Connection, profile: Profile, *, site_id: str, now: int, guest_id: str | None = None
) -> RowMapping:
    """The contact of a customer that the shop vouches for: found, or made of the guest `guest_id`, or new; brought up to date.

    When the customer is known already, the guest's conversations become the customer's.
    """
    found = connection.execute(
        select(contact.c.id).where(contact.c.site_id == site_id, contact.c.external_id == profile.external_id)
    ).scalar_one_or_none()
    guest = guest_id is not None and _is_guest(connection, guest_id, site_id)
    changes = {**profile.said(), "verified": True}
    if found is None and guest:
        found = guest_id
        changes |= {"external_id": profile.external_id, "customer_key": profile.customer_key}
    elif found is None:
        found = new_id()
        connection.execute(
            insert(contact).values(
                id=found,
                site_id=site_id,
                external_id=profile.external_id,
                customer_key=profile.customer_key,
                first_seen_at=now,
            )
        )
    elif guest:
        connection.execute(update(conversation).where(conversation.c.contact_id == guest_id).values(contact_id=found))
    return (
        connection.execute(update(contact).where(contact.c.id == found).values(**changes).returning(contact))
        .mappings()
        .one()
    )


def _is_guest(connection: Connection, contact_id: str, site_id: str) -> bool:
    row = get(connection, contact_id, site_id=site_id)
    return row is not None and row["external_id"] is None


def display_name(name: str | None, contact_id: str) -> str:
    """What an agent calls a contact; a guest goes by the end of the id."""
    return name or f"Guest {contact_id[-4:]}"
