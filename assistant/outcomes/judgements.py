"""What customers clicked and bought, as judgements of product search: what the re-ranker can be tuned on.

A judgement is a question, a product that was shown for it, and a grade: 0 for shown, 2 for opened or put into the cart, 3 for
bought within the window. Where a question came up several times, the mean counts. Questions are the customers' own words, redacted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, select

from assistant.conversations.redaction import redact
from assistant.storage.tables import contact, conversation, decision, event, orders, outcome
from retrieval.text import clean

SHOWN: Final = 0.0
CLICKED: Final = 2.0
BOUGHT: Final = 3.0
WINDOW_MS: Final = 30 * 86_400_000
COLUMNS: Final = ("query", "docid", "rating")

_said = event.alias("said")
_asked = event.alias("asked")


@dataclass(frozen=True, slots=True)
class Judgement:
    """One row of the file; `rating` from 0 to 3."""

    query: str
    docid: str
    rating: float


def judgements(connection: Connection, *, site_id: str) -> list[Judgement]:
    """All judgements that the log of a site gives, by question and product. Erased messages judge nothing."""
    clicks = _clicks(connection, site_id)
    grades: dict[tuple[str, str], list[float]] = {}
    for row in connection.execute(_answers(site_id)):
        query = redact(clean(row.body or ""))
        shown = [str(card["id"]) for card in row.data.get("products", ())]
        if not query or not shown:
            continue
        bought = _bought(connection, site_id, row.external_id, row.at)
        for product in shown:
            grade = BOUGHT if product in bought else CLICKED if product in clicks.get(row.id, ()) else SHOWN
            grades.setdefault((query, product), []).append(grade)
    return [Judgement(*of, round(sum(found) / len(found), 3)) for of, found in sorted(grades.items())]


def _answers(site_id: str) -> Select[Any]:
    """Decisions that put product cards before a customer: id, the cards, when, the question, and whose it was."""
    return (
        select(decision.c.id, _said.c.data, _said.c.at, _asked.c.body, contact.c.external_id)
        .join(_said, and_(_said.c.conversation_id == decision.c.conversation_id, _said.c.seq == decision.c.reply_seq))
        .join(_asked, and_(_asked.c.conversation_id == decision.c.conversation_id, _asked.c.seq == decision.c.seq))
        .join(conversation, conversation.c.id == decision.c.conversation_id)
        .join(contact, contact.c.id == conversation.c.contact_id)
        .where(decision.c.site_id == site_id, _said.c.kind == "products")
        .order_by(decision.c.id)
    )


def _clicks(connection: Connection, site_id: str) -> dict[str, set[str]]:
    """The products that were opened, by decision."""
    found: dict[str, set[str]] = {}
    query = select(outcome.c.decision_id, outcome.c.label).where(
        outcome.c.site_id == site_id, outcome.c.type == "click"
    )
    for row in connection.execute(query):
        found.setdefault(row.decision_id, set()).add(str(row.label.get("product", "")))
    return found


def _bought(connection: Connection, site_id: str, external_id: str | None, at: int) -> set[str]:
    """What the customer ordered within the window after a moment; nothing for a guest."""
    if external_id is None:
        return set()
    query = select(orders.c.lines).where(
        orders.c.site_id == site_id,
        orders.c.external_customer_id == external_id,
        orders.c.status != "cancelled",
        orders.c.ts_event > at,
        orders.c.ts_event <= at + WINDOW_MS,
    )
    return {str(line.get("product_id")) for lines in connection.execute(query).scalars() for line in lines}
