"""Outcomes that only time brings: purchases and returns that arrived with an import, and customers who stayed away.

`inactive_W` is known only when the window and the lag of the shop's data are over: value 1 without an order in (t, t + W], else 0,
where t is the customer's last message of the conversation. Everything is idempotent; running it again adds what has become
known since. What the shop tells late (an order of that time, or that one was cancelled) corrects: a new row that supersedes the
old one, so that what was known before stays known.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy import Connection, exists, func, literal, or_, select

from assistant.errors import Conflict, Unavailable
from assistant.outcomes import corrections
from assistant.outcomes.corrections import BATCH, DAY_MS
from assistant.outcomes.money import major
from assistant.outcomes.store import record
from assistant.storage.engine import Storage
from assistant.storage.tables import contact, decision, order_return, orders, outcome, site

log = structlog.get_logger()

WINDOWS: Final = (30, 60, 90)
LAG_DAYS: Final = 3  # orders of a day are in the shop's export so many days later


@dataclass(frozen=True, slots=True)
class Matured:
    """How many outcomes were added."""

    purchases: int = 0
    refunds: int = 0
    inactive: int = 0
    corrected: int = 0
    more: bool = False  # a batch was full: call again

    @property
    def total(self) -> int:
        """All of them."""
        return self.purchases + self.refunds + self.inactive + self.corrected


@dataclass(frozen=True, slots=True)
class Places:
    """How far a pass has looked: the last order, return and cancelled order, and for each window the last decision's time and id,
    among those without a label and among those with one."""

    purchases: str = ""
    refunds: str = ""
    cancelled: str = ""
    inactive: tuple[tuple[int, str], ...] = ((0, ""),) * len(WINDOWS)
    corrected: tuple[tuple[int, str], ...] = ((0, ""),) * len(WINDOWS)


@dataclass(frozen=True, slots=True)
class Due:
    """Outcomes that have become known and are not in the log yet, as arguments of `record`; where the next look goes on."""

    purchases: Sequence[dict[str, Any]]
    refunds: Sequence[dict[str, Any]]
    inactive: Sequence[dict[str, Any]]
    corrections: Sequence[dict[str, Any]]
    more: bool
    places: Places

    @property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """All of them, in the order in which they are written."""
        return (*self.purchases, *self.refunds, *self.inactive, *self.corrections)


def mature(connection: Connection, *, site_id: str, now: int, lag_days: int = LAG_DAYS) -> Matured:
    """Finds and adds what has become known, at most a batch of each kind, in one transaction."""
    return add(connection, due(connection, site_id=site_id, now=now, lag_days=lag_days), now=now)


def due(
    connection: Connection, *, site_id: str, now: int, after: Places | None = None, lag_days: int = LAG_DAYS
) -> Due:
    """What has become known, at most a batch of each kind, beyond `after`. Only reads: the writer need not wait for the search.

    A pass that goes on from `places` until there is no `more` looks at each row of the log once.
    """
    after = after or Places()
    purchases, purchase = _purchases(connection, site_id, now, after.purchases)
    refunds, refund = _refunds(connection, site_id, now, after.refunds)
    cancelled, cancel = corrections.purchases(connection, site_id, after.cancelled)
    inactive = [
        _inactive(connection, site_id, now, window, lag_days, place)
        for window, place in zip(WINDOWS, after.inactive, strict=True)
    ]
    corrected = [
        corrections.labels(connection, site_id, now - (window + lag_days) * DAY_MS, window, place)
        for window, place in zip(WINDOWS, after.corrected, strict=True)
    ]
    pages = [purchases, refunds, cancelled, *(rows for rows, _ in inactive), *(rows for rows, _ in corrected)]
    return Due(
        purchases=purchases,
        refunds=refunds,
        inactive=[row for rows, _ in inactive for row in rows],
        corrections=[*cancelled, *(row for rows, _ in corrected for row in rows)],
        more=max(map(len, pages)) >= BATCH,
        places=Places(
            purchase, refund, cancel, tuple(place for _, place in inactive), tuple(place for _, place in corrected)
        ),
    )


def add(connection: Connection, found: Due, *, now: int) -> Matured:
    """Writes what is due. What another worker has written meanwhile is there already, and stays as it is."""
    for row in found.rows:
        with contextlib.suppress(Conflict):
            record(connection, **row, now=now)
    return Matured(len(found.purchases), len(found.refunds), len(found.inactive), len(found.corrections), found.more)


# A customer's key is that of one site, so what follows asks for the key alone: with the site beside it SQLite, which keeps no
# statistics, takes the site's index and reads the whole log for each row.


def _purchases(connection: Connection, site_id: str, now: int, after: str) -> tuple[list[dict[str, Any]], str]:
    """Orders of customers with whom a conversation was held before."""
    rows = (
        connection.execute(
            select(orders, contact.c.customer_key)
            .join(
                contact,
                (contact.c.site_id == orders.c.site_id) & (contact.c.external_id == orders.c.external_customer_id),
            )
            .where(
                orders.c.site_id == site_id,
                orders.c.order_no > after,
                orders.c.status != "cancelled",
                orders.c.ts_event <= now,
                exists().where(
                    decision.c.customer_key == contact.c.customer_key,
                    decision.c.ts_decision <= orders.c.ts_event,
                ),
                ~exists().where(
                    outcome.c.site_id == site_id, outcome.c.idempotency_key == literal("order:") + orders.c.order_no
                ),
            )
            .order_by(orders.c.order_no)
            .limit(BATCH)
        )
        .mappings()
        .all()
    )
    found = [
        {
            "site_id": site_id,
            "idempotency_key": f"order:{row['order_no']}",
            "type": "purchase",
            "source": "import",
            "ts_event": row["ts_event"],
            "customer_key": row["customer_key"],
            "value": major(row["total"], row["currency"]),
            "currency": row["currency"],
        }
        for row in rows
    ]
    return found, rows[-1]["order_no"] if rows else after


def _refunds(connection: Connection, site_id: str, now: int, after: str) -> tuple[list[dict[str, Any]], str]:
    rows = (
        connection.execute(
            select(order_return, orders.c.currency, contact.c.customer_key)
            .join(orders, (orders.c.site_id == order_return.c.site_id) & (orders.c.order_no == order_return.c.order_no))
            .join(
                contact,
                (contact.c.site_id == order_return.c.site_id)
                & (contact.c.external_id == order_return.c.external_customer_id),
            )
            .where(
                order_return.c.site_id == site_id,
                order_return.c.return_no > after,
                order_return.c.ts_event <= now,
                exists().where(
                    decision.c.customer_key == contact.c.customer_key,
                    decision.c.ts_decision <= order_return.c.ts_event,
                ),
                ~exists().where(
                    outcome.c.site_id == site_id,
                    outcome.c.idempotency_key == literal("return:") + order_return.c.return_no,
                ),
            )
            .order_by(order_return.c.return_no)
            .limit(BATCH)
        )
        .mappings()
        .all()
    )
    found = [
        {
            "site_id": site_id,
            "idempotency_key": f"return:{row['return_no']}",
            "type": "refund",
            "source": "import",
            "ts_event": row["ts_event"],
            "customer_key": row["customer_key"],
            "value": major(row["amount"], row["currency"]),
            "currency": row["currency"],
            "label": {"reason": row["reason"]} if row["reason"] else None,
        }
        for row in rows
    ]
    return found, rows[-1]["return_no"] if rows else after


def _inactive(
    connection: Connection, site_id: str, now: int, window: int, lag_days: int, after: tuple[int, str]
) -> tuple[list[dict[str, Any]], tuple[int, str]]:
    """One label for each conversation of a customer whose orders the shop knows, hung on its last decision."""
    over, (since, last) = now - (window + lag_days) * DAY_MS, after
    kind = f"inactive_{window}"
    later = decision.alias("later")
    rows = connection.execute(
        select(decision.c.id, decision.c.ts_decision, corrections.came_back(site_id, window).label("came_back"))
        .join(contact, (contact.c.site_id == decision.c.site_id) & (contact.c.customer_key == decision.c.customer_key))
        .where(
            decision.c.site_id == site_id,
            decision.c.ts_decision >= since,
            or_(decision.c.ts_decision > since, decision.c.id > last),
            decision.c.ts_decision <= over,
            ~exists().where(later.c.conversation_id == decision.c.conversation_id, later.c.seq > decision.c.seq),
            func.coalesce(contact.c.external_id, "")
            != "",  # "is not null" would be looked for among all of the site's customers
            contact.c.verified,
            ~exists().where(
                outcome.c.site_id == site_id, outcome.c.idempotency_key == literal(f"{kind}:") + decision.c.id
            ),
        )
        .order_by(decision.c.ts_decision, decision.c.id)
        .limit(BATCH)
    ).all()
    found = [
        {
            "site_id": site_id,
            "idempotency_key": f"{kind}:{row.id}",
            "type": kind,
            "source": "system",
            "ts_event": row.ts_decision + window * DAY_MS,
            "decision_id": row.id,
            "value": 0.0 if row.came_back else 1.0,
            "matures_at": row.ts_decision + (window + lag_days) * DAY_MS,
        }
        for row in rows
    ]
    return found, (rows[-1].ts_decision, rows[-1].id) if rows else after


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
            places, more = Places(), True
            while more:
                now = self._now()
                found = await self._storage.read(partial(due, site_id=site_id, now=now, after=places))
                if found.rows:
                    added += (await self._storage.write(partial(add, found=found, now=now))).total
                places, more = found.places, found.more
        if added:
            log.info("outcomes_matured", added=added)
        return added
