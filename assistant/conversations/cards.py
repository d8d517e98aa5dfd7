"""What a contact was shown in a conversation, and how an offer was answered. Functions of a Connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import Connection, RowMapping, insert, select

from assistant.conversations import store
from assistant.conversations.store import Appended, NewEvent
from assistant.errors import Conflict, NotFound
from assistant.ids import new_id
from assistant.storage.tables import decision, event, wallet_entry

_ANSWERS: Final = UUID("7f0a4c52-3c1e-5d0b-9a53-2f1f8f6c6a11")  # name space of answers: one an offer


@dataclass(frozen=True, slots=True)
class ShownOffer:
    """An offer as it was shown. Money in minor units."""

    decision_id: str
    offer_id: str
    amount: int
    currency: str | None
    valid_until: int | None


def shown_offer(connection: Connection, conversation_id: str, *, decision_id: str, offer_id: str) -> ShownOffer:
    """The offer, if the decision log and the transcript agree that it was shown here. Raises NotFound, whatever is missing."""
    made = connection.execute(
        select(decision.c.id).where(
            decision.c.id == decision_id, decision.c.conversation_id == conversation_id, decision.c.kind == "offer"
        )
    ).first()
    shown = None if made is None else _offer_card(connection, conversation_id, decision_id, offer_id)
    if shown is None:
        raise NotFound("no such offer in this conversation", code="unknown_offer")
    return ShownOffer(
        decision_id, offer_id, int(shown.get("amount") or 0), shown.get("currency"), shown.get("valid_until")
    )


def answer_offer(connection: Connection, row: RowMapping, offer: ShownOffer, *, accepted: bool, now: int) -> Appended:
    """Writes the contact's answer into the log and the wallet of the conversation `row`. The same answer again changes nothing.

    Raises Conflict: `answered` when the other answer was given, `expired` when it is too late to accept.
    """
    cmid = str(uuid5(_ANSWERS, f"{offer.decision_id}/{offer.offer_id}"))
    known = store.find_sent(connection, row["id"], "contact", cmid)
    if known is not None:
        if known["data"].get("accepted") is not accepted:
            raise Conflict("the offer was answered already", code="answered")
        return Appended(known["seq"], known["id"], dup=True)
    if accepted and offer.valid_until is not None and now > offer.valid_until:
        raise Conflict("the offer is over", code="expired")
    data = {"decision": offer.decision_id, "offer": offer.offer_id, "accepted": accepted}
    appended = store.append(connection, row["id"], NewEvent("contact", "offer_answer", data=data, cmid=cmid), now=now)
    connection.execute(
        insert(wallet_entry).values(
            id=new_id(),
            site_id=row["site_id"],
            contact_id=row["contact_id"],
            decision_id=offer.decision_id,
            offer_id=offer.offer_id,
            state="accepted" if accepted else "declined",
            amount=offer.amount,
            at=now,
        )
    )
    return appended


def decision_behind(
    connection: Connection, conversation_id: str, product_id: str, decision_id: str | None = None
) -> str | None:
    """The decision (`decision_id`, or else the last one) that showed a product here; None when an agent showed it.

    Raises NotFound(code="unknown_product") when it was not shown.
    """
    rows = connection.execute(
        select(event.c.data, decision.c.id)
        .join(
            decision,
            (decision.c.conversation_id == event.c.conversation_id) & (decision.c.seq == event.c.reply_to),
            isouter=True,
        )
        .where(event.c.conversation_id == conversation_id, event.c.kind == "products")
        .order_by(event.c.seq.desc())
    )
    for row in rows:
        shown = {product.get("id") for product in row.data.get("products") or []}
        if product_id in shown and decision_id in (None, row.id):
            return None if row.id is None else str(row.id)
    raise NotFound("no such product in this conversation", code="unknown_product")


def _offer_card(connection: Connection, conversation_id: str, decision_id: str, offer_id: str) -> dict[str, Any] | None:
    rows = connection.execute(
        select(event.c.data).where(event.c.conversation_id == conversation_id, event.c.kind == "offer")
    )
    for row in rows:
        card = row.data.get("offer") or {}
        if card.get("decision") == decision_id and card.get("id") == offer_id:
            return dict(card)
    return None
