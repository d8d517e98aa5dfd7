"""Learning what a shop's customers buy next, from the orders in the database."""

from __future__ import annotations

import contextlib
from pathlib import Path

from sqlalchemy import Connection, select

from assistant.storage.engine import Storage
from assistant.storage.tables import orders
from retrieval import baskets
from retrieval.recommend import DAY_MS, FOLDER, Purchase

WINDOW_MS = 30 * DAY_MS  # "next" means within


def purchases(connection: Connection, site_id: str) -> dict[str, list[Purchase]]:
    """What each customer of the site has bought, in order of time; cancelled orders were not bought."""
    found: dict[str, list[Purchase]] = {}
    query = (
        select(orders).where(orders.c.site_id == site_id, orders.c.status != "cancelled").order_by(orders.c.ts_event)
    )
    for row in connection.execute(query):
        mine = found.setdefault(row.external_customer_id, [])
        mine.extend(
            Purchase(str(line["product_id"]), row.order_no, row.ts_event)
            for line in row.lines
            if line.get("product_id")
        )
    return {customer: lines for customer, lines in found.items() if lines}


def learn_once(storage: Storage, index: Path, site_id: str, *, now: int) -> None:
    """Learns where nothing was learned yet, and where there is enough to learn from."""
    if (index / FOLDER).exists():
        return
    bought = storage.read_sync(lambda connection: purchases(connection, site_id))
    with contextlib.suppress(ValueError):
        learn(bought, index, now)


def learn(bought: baskets.Baskets, index: Path, now: int, progress: baskets.Progress | None = None) -> tuple[int, int]:
    """Saves a recommender beside the index of a site; how many customers and products it knows.

    Raises ValueError when nobody came back in the windows that it learns from.
    """
    if not bought:
        raise ValueError("there are no orders of products")
    recommender = baskets.learn(bought, now, WINDOW_MS, progress)
    recommender.save(index / FOLDER)
    return len(bought), len(recommender.knowledge.products)
