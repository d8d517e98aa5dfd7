"""Speaking first to a customer: what is known of them, and that it was done. Plain functions of a Connection.

Each time is an `exposure` of kind `nudge` in the log, so that its effect can be told from the customer's own course; who belongs to
the holdout is never spoken to, and is what the others are compared with.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, func, insert, select

from assistant.ids import new_id
from assistant.policy.holdout import in_holdout
from assistant.policy.nudges import Nudging, Rule, choose
from assistant.storage.tables import contact, conversation, exposure, site

DAY_MS: Final = 86_400_000
KNOWN_DAYS: Final = 30  # an older band says nothing of today
KIND: Final = "nudge"


def speak_first(
    connection: Connection,
    site_id: str,
    nudging: Nudging,
    *,
    customer: tuple[str, str] | None,
    page: str,
    waited_s: int,
    now: int,
) -> tuple[Rule | None, int | None]:
    """The rule that speaks now, and after how many seconds on the page to ask again. Notes that a customer is spoken to.

    `customer`: (the shop's number, key in the log) of whom the shop vouches for; None for a guest, whose risk is not known.
    """
    if customer is None:
        return choose(nudging.rules, page=page, waited_s=waited_s, band=None)
    external_id, customer_key = customer
    band = _lock_and_read_band(connection, site_id, external_id, now)
    rule, again = choose(nudging.rules, page=page, waited_s=waited_s, band=band)
    if rule is None:
        return None, again
    if _held_out(connection, site_id, customer_key) or _spoken_to(
        connection, site_id, customer_key, now - round(nudging.every_days * DAY_MS)
    ):
        return None, None
    connection.execute(
        insert(exposure).values(
            id=new_id(),
            site_id=site_id,
            kind=KIND,
            customer_key=customer_key,
            data={"rule": rule.name, "risk": rule.risk},
            starts_at=now,
            ts_ingested=now,
        )
    )
    return rule, None


def _lock_and_read_band(connection: Connection, site_id: str, external_id: str, now: int) -> str | None:
    """The band of the customer's last conversation that has one. Their row is held: two tabs do not both speak."""
    person = connection.execute(
        select(contact.c.id).where(contact.c.site_id == site_id, contact.c.external_id == external_id).with_for_update()
    ).scalar_one_or_none()
    if person is None:
        return None
    latest = (
        select(conversation.c.band)
        .where(
            conversation.c.contact_id == person,
            conversation.c.band.is_not(None),
            conversation.c.updated_at > now - KNOWN_DAYS * DAY_MS,
        )
        .order_by(conversation.c.updated_at.desc(), conversation.c.id.desc())
        .limit(1)
    )
    return connection.execute(latest).scalar_one_or_none()


def _held_out(connection: Connection, site_id: str, customer_key: str) -> bool:
    shop = connection.execute(select(site.c.holdout_salt, site.c.holdout_rate).where(site.c.id == site_id)).one()
    return in_holdout(customer_key, shop.holdout_salt, shop.holdout_rate)


def _spoken_to(connection: Connection, site_id: str, customer_key: str, since: int) -> bool:
    recent = (
        select(func.count())
        .select_from(exposure)
        .where(
            exposure.c.site_id == site_id,
            exposure.c.kind == KIND,
            exposure.c.customer_key == customer_key,
            exposure.c.starts_at > since,
        )
    )
    return bool(connection.execute(recent).scalar_one())
