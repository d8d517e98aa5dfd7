"""Everything that is kept of one person, as one JSON document: the answer to a request for access."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Select, Table, select

from assistant.conversations import contacts
from assistant.errors import NotFound
from assistant.identity import audit
from assistant.storage.tables import (
    callback,
    contact,
    conversation,
    decision,
    event,
    exposure,
    mention,
    note,
    order_return,
    orders,
    outcome,
    review,
    score,
    scorecard,
    task,
    wallet_entry,
)

FORMAT: Final = "staywell.dossier.v1"
# What is not about the person: keys and versions of ours, and who of the shop's people did something.
_LEFT_OUT: Final = frozenset(
    {
        "site_id",
        "contact_id",
        "customer_key",
        "agent_id",
        "reviewer_id",
        "cmid",
        "epoch",
        "seed",
        "salt_version",
        "idempotency_key",
        "declined_by",
        "offered_to",
        "wanted_agent",
        "offer_id",
        "assign_epoch",
    }
)


def build(connection: Connection, contact_id: str, *, site_id: str, now: int) -> dict[str, Any]:
    """The document. Times are UTC ms, money integer minor units. Agents appear as `agent`, without names. Raises NotFound."""
    person = contacts.get(connection, contact_id, site_id=site_id)
    if person is None:
        raise NotFound("there is no such contact", code="unknown_contact")

    def rows(query: Select[Any]) -> list[dict[str, Any]]:
        return [_plain(row) for row in connection.execute(query).mappings()]

    def bought(table: Table) -> list[dict[str, Any]]:
        if person["external_id"] is None:
            return []
        mine = select(table).where(table.c.site_id == site_id, table.c.external_customer_id == person["external_id"])
        return rows(mine.order_by(table.c.ts_event, table.c.id))

    talks = rows(select(conversation).where(conversation.c.contact_id == contact_id).order_by(conversation.c.id))
    for talk in talks:
        for name, table, order in (
            ("messages", event, event.c.seq),
            ("notes", note, note.c.id),
            ("mentions", mention, mention.c.at),
            ("callbacks", callback, callback.c.id),
            ("scores", score, score.c.seq),
            ("decisions", decision, decision.c.seq),
            ("tasks", task, task.c.id),
            ("reviews", review, review.c.id),
            ("scorecards", scorecard, scorecard.c.id),
        ):
            talk[name] = rows(select(table).where(table.c.conversation_id == talk["id"]).order_by(order))
    key = person["customer_key"]
    return {
        "format": FORMAT,
        "made_at": now,
        "contact": _plain(connection.execute(select(contact).where(contact.c.id == contact_id)).mappings().one()),
        "orders": bought(orders),
        "returns": bought(order_return),
        "conversations": talks,
        "outcomes": rows(select(outcome).where(outcome.c.site_id == site_id, outcome.c.customer_key == key)),
        "exposures": rows(select(exposure).where(exposure.c.site_id == site_id, exposure.c.customer_key == key)),
        "offers": rows(select(wallet_entry).where(wallet_entry.c.contact_id == contact_id).order_by(wallet_entry.c.id)),
    }


def note_made(connection: Connection, contact_id: str, *, actor: str, now: int) -> None:
    """Writes down in the audit trail that the document was given out."""
    audit.record(connection, actor=actor, action="dossier", object=contact_id, now=now)


def _plain(row: RowMapping) -> dict[str, Any]:
    """A row without what is not about the person; 'agent:<id>' becomes 'agent'."""
    shown = {str(name): value for name, value in row.items() if name not in _LEFT_OUT}
    for name in ("sender", "holder"):
        if name in shown:
            shown[name] = str(shown[name]).partition(":")[0]
    if isinstance(shown.get("label"), dict):
        shown["label"] = {name: value for name, value in shown["label"].items() if name not in ("agent", "by", "task")}
    return shown
