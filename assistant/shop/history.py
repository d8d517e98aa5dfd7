"""A customer's past, read for the risk model. Only reads; the cut at `as_of` is the features' own job, and is repeated here to
keep the answer small."""

from __future__ import annotations

from sqlalchemy import Connection, select

from assistant.storage.tables import contact, conversation, order_return, orders, outcome, task
from risk.types import ContactRecord, History, OrderRecord, ReturnRecord, VisitRecord


def load_history(
    connection: Connection, *, site_id: str, contact_id: str, as_of: int, imported: bool = False
) -> History | None:
    """Orders, returns, earlier conversations and the visits that the shop tells of, known at `as_of` (UTC ms); None for a guest
    whom the shop does not know. `imported`: also of customers who have never shown who they are, whom the shop told us of."""
    person = connection.execute(
        select(contact.c.external_id, contact.c.customer_key, contact.c.first_seen_at, contact.c.verified).where(
            contact.c.id == contact_id, contact.c.site_id == site_id
        )
    ).first()
    if person is None or person.external_id is None or not (person.verified or imported):
        return None
    bought = connection.execute(
        select(orders).where(
            orders.c.site_id == site_id,
            orders.c.external_customer_id == person.external_id,
            orders.c.ts_event <= as_of,
            orders.c.ts_ingested <= as_of,
        )
    ).mappings()
    returned = connection.execute(
        select(order_return).where(
            order_return.c.site_id == site_id,
            order_return.c.external_customer_id == person.external_id,
            order_return.c.ts_event <= as_of,
            order_return.c.ts_ingested <= as_of,
        )
    ).mappings()
    earlier = connection.execute(
        select(conversation.c.created_at, conversation.c.resolved_at, conversation.c.csat, task.c.id.label("task_id"))
        .join(task, task.c.conversation_id == conversation.c.id, isouter=True)
        .where(
            # The contact is the site's, as found above. With the site beside it, SQLite reads all of the site's conversations.
            conversation.c.contact_id == contact_id,
            conversation.c.resolved_at.is_not(None),
            conversation.c.resolved_at <= as_of,
        )
    )
    visits = connection.execute(
        select(outcome.c.ts_event, outcome.c.ts_ingested).where(
            outcome.c.site_id == site_id,
            outcome.c.customer_key == person.customer_key,
            outcome.c.type == "return_visit",
            outcome.c.ts_event <= as_of,
            outcome.c.ts_ingested <= as_of,
        )
    )
    return History(
        orders=tuple(
            OrderRecord(
                order_no=row["order_no"],
                ts_event=row["ts_event"],
                ts_ingested=row["ts_ingested"],
                total=row["total"],
                quantity=sum(int(line.get("quantity", 1)) for line in row["lines"]),
                distinct_products=len({line.get("product_id") for line in row["lines"]}),
                cancelled=row["status"] == "cancelled" and (row["cancelled_known_at"] or 0) <= as_of,
                coupon=bool(row["coupon"]),
                promised_at=row["promised_at"],
                delivered_at=row["delivered_at"] if (row["delivered_known_at"] or 0) <= as_of else None,
            )
            for row in bought
        ),
        returns=tuple(
            ReturnRecord(
                order_no=row["order_no"],
                ts_event=row["ts_event"],
                ts_ingested=row["ts_ingested"],
                amount=row["amount"],
                reason=row["reason"],
            )
            for row in returned
        ),
        contacts=tuple(
            {
                (row.created_at, row.csat): ContactRecord(
                    ts_event=row.created_at,
                    ts_ingested=row.resolved_at,
                    csat=row.csat,
                    escalated=row.task_id is not None,
                )
                for row in earlier
            }.values()
        ),
        visits=tuple(VisitRecord(row.ts_event, row.ts_ingested) for row in visits),
        first_seen_ms=person.first_seen_at,
    )
