"""Outcomes that only time brings: purchases and returns that arrived with an import, and customers who stayed away.

`inactive_W` is known only when the window and the lag of the shop's data are over: value 1 without an order in (t, t + W], else 0,
where t is the customer's last message of the conversation. Everything is idempotent; running it again adds what has become
known since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Connection, exists, func, literal, select

from assistant.errors import Unavailable
from assistant.outcomes.money import major
from assistant.outcomes.store import record
from assistant.storage.engine import Storage
from assistant.storage.tables import contact, decision, order_return, orders, outcome, site

log = structlog.get_logger()

DAY_MS: Final = 86_400_000
WINDOWS: Final = (30, 60, 90)
LAG_DAYS: Final = 3  # orders of a day are in the shop's export so many days later
BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Matured:
    """How many outcomes were added."""

    purchases: int = 0
    refunds: int = 0
    inactive: int = 0
    more: bool = False  # a batch was full: call again


def mature(connection: Connection, *, site_id: str, now: int, lag_days: int = LAG_DAYS) -> Matured:
    """Adds what has become known, at most a batch of each kind, so that the writer is never held for long."""
    purchases = _purchases(connection, site_id, now)
    refunds = _refunds(connection, site_id, now)
    inactive = sum(_inactive(connection, site_id, now, window, lag_days) for window in WINDOWS)
    return Matured(purchases, refunds, inactive, more=max(purchases, refunds, inactive // len(WINDOWS)) >= BATCH)


def _purchases(connection: Connection, site_id: str, now: int) -> int:
    """Orders of customers with whom a conversation was held before."""
    rows = connection.execute(
        select(orders, contact.c.customer_key)
        .join(
            contact, (contact.c.site_id == orders.c.site_id) & (contact.c.external_id == orders.c.external_customer_id)
        )
        .where(
            orders.c.site_id == site_id,
            orders.c.status != "cancelled",
            orders.c.ts_event <= now,
            exists().where(
                decision.c.site_id == site_id,
                decision.c.customer_key == contact.c.customer_key,
                decision.c.ts_decision <= orders.c.ts_event,
            ),
            ~exists().where(
                outcome.c.site_id == site_id, outcome.c.idempotency_key == literal("order:") + orders.c.order_no
            ),
        )
        .limit(BATCH)
    ).mappings()
    count = 0
    for row in rows.all():
        record(
            connection,
            site_id=site_id,
            idempotency_key=f"order:{row['order_no']}",
            type="purchase",
            source="import",
            ts_event=row["ts_event"],
            now=now,
            customer_key=row["customer_key"],
            value=major(row["total"], row["currency"]),
            currency=row["currency"],
        )
        count += 1
    return count


def _refunds(connection: Connection, site_id: str, now: int) -> int:
    rows = connection.execute(
        select(order_return, orders.c.currency, contact.c.customer_key)
        .join(orders, (orders.c.site_id == order_return.c.site_id) & (orders.c.order_no == order_return.c.order_no))
        .join(
            contact,
            (contact.c.site_id == order_return.c.site_id)
            & (contact.c.external_id == order_return.c.external_customer_id),
        )
        .where(
            order_return.c.site_id == site_id,
            order_return.c.ts_event <= now,
            exists().where(
                decision.c.site_id == site_id,
                decision.c.customer_key == contact.c.customer_key,
                decision.c.ts_decision <= order_return.c.ts_event,
            ),
            ~exists().where(
                outcome.c.site_id == site_id, outcome.c.idempotency_key == literal("return:") + order_return.c.return_no
            ),
        )
        .limit(BATCH)
    ).mappings()
    count = 0
    for row in rows.all():
        record(
            connection,
            site_id=site_id,
            idempotency_key=f"return:{row['return_no']}",
            type="refund",
            source="import",
            ts_event=row["ts_event"],
            now=now,
            customer_key=row["customer_key"],
            value=major(row["amount"], row["currency"]),
            currency=row["currency"],
            label={"reason": row["reason"]} if row["reason"] else None,
        )
        count += 1
    return count


def _inactive(connection: Connection, site_id: str, now: int, window: int, lag_days: int) -> int:
    """One label for each conversation of a customer whose orders the shop knows, hung on its last decision."""
    over = now - (window + lag_days) * DAY_MS
    last = (
        select(decision.c.conversation_id, func.max(decision.c.seq).label("seq"))
        .where(decision.c.site_id == site_id)
        .group_by(decision.c.conversation_id)
        .subquery()
    )
    kind = f"inactive_{window}"
    rows = connection.execute(
        select(decision.c.id, decision.c.ts_decision, contact.c.external_id)
        .join(last, (last.c.conversation_id == decision.c.conversation_id) & (last.c.seq == decision.c.seq))
        .join(contact, (contact.c.site_id == decision.c.site_id) & (contact.c.customer_key == decision.c.customer_key))
        .where(
            decision.c.site_id == site_id,
            decision.c.ts_decision <= over,
            contact.c.external_id.is_not(None),
            contact.c.verified,
            ~exists().where(
                outcome.c.site_id == site_id, outcome.c.idempotency_key == literal(f"{kind}:") + decision.c.id
            ),
        )
        .limit(BATCH)
    ).all()
    for row in rows:
        until = row.ts_decision + window * DAY_MS
        came_back = connection.execute(
            select(orders.c.id)
            .where(
                orders.c.site_id == site_id,
                orders.c.external_customer_id == row.external_id,
                orders.c.status != "cancelled",
                orders.c.ts_event > row.ts_decision,
                orders.c.ts_event <= until,
            )
            .limit(1)
        ).first()
        record(
            connection,
            site_id=site_id,
            idempotency_key=f"{kind}:{row.id}",
            type=kind,
            source="system",
            ts_event=until,
            now=now,
            decision_id=row.id,
            value=0.0 if came_back else 1.0,
            matures_at=until + lag_days * DAY_MS,
        )
    return len(rows)


class Maturing:
    """Lets outcomes mature while the server runs: all sites, once an hour, a batch at a time."""

    def __init__(self, storage: Storage, now: Callable[[], int], *, every_s: float = 3600.0) -> None:
        self._storage = storage
        self._now = now
        self._every_s = every_s

    async def run(self) -> None:
        """Until cancelled. A database that cannot answer is asked again the next time."""
        while True:
            try:
                await self.once()
            except Unavailable as error:
                log.warning("outcomes_not_matured", error=error.reason)
            await asyncio.sleep(self._every_s)

    async def once(self) -> int:
        """Brings every site up to date; how many outcomes were added."""
        added = 0
        sites = await self._storage.read(lambda connection: list(connection.execute(select(site.c.id)).scalars()))
        for site_id in sites:
            more = True
            while more:
                now = self._now()
                found = await self._storage.write(
                    lambda connection, which=site_id, now=now: mature(connection, site_id=which, now=now)  # type: ignore[misc]
                )
                added += found.purchases + found.refunds + found.inactive
                more = found.more
        if added:
            log.info("outcomes_matured", added=added)
        return added
