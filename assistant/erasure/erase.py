"""What is kept of a person, taken out again: on request (`erase_contact`), or because it is old (`erase_conversation`).

Gone: name, address, customer number, messages of all sides, notes and comments, call-backs, vectors, orders and returns, tokens.
What stays is the log without anybody in it: decisions with their features, scores, outcomes and offers, under a new key that
nobody can make again from a customer number. So every invariant of the log still holds, and a model may go on learning from it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, select, update

from assistant.conversations import contacts
from assistant.errors import BadInput, NotFound
from assistant.escalation import commands, store
from assistant.identity import audit, revocation, widget
from assistant.identity.revocation import ERASED
from assistant.ids import new_id
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
    scorecard,
    task,
    turn_job,
    turn_vector,
)

DAY_MS: Final = 86_400_000
# Of what was retrieved for a turn: why it was, may quote the contact.
_KEPT_OF_CANDIDATE: Final = ("id", "kind", "rank", "score", "sources", "action", "treatment")
_FREE_TEXT: Final = frozenset({"comment"})  # entries of an outcome's label that somebody wrote


@dataclass(frozen=True, slots=True)
class Erased:
    """What was taken out. `conversations` names those concerned, for whoever tells the others."""

    conversations: tuple[str, ...]
    messages: int
    notes: int
    orders: int = 0

    def counts(self) -> dict[str, int]:
        """For answers and the audit trail."""
        return {**asdict(self), "conversations": len(self.conversations)}


def find_contact(connection: Connection, site_id: str, who: str) -> str:
    """The contact that `who` names: an id of ours, a customer number of the shop, or an address left with us (e-mail, phone).

    Raises NotFound, and BadInput(`ambiguous`) naming the ids when several people gave this address.
    """
    named = (contact.c.id == who) | (contact.c.external_id == who)
    query = select(contact.c.id).where(contact.c.site_id == site_id)
    found = list(connection.execute(query.where(named)).scalars())
    if not found:
        left = (
            select(conversation.c.contact_id)
            .join(callback, callback.c.conversation_id == conversation.c.id)
            .where(callback.c.site_id == site_id, (callback.c.email == who) | (callback.c.phone == who))
        )
        reached = (contact.c.email == who) | contact.c.id.in_(left)
        found = list(connection.execute(query.where(reached).order_by(contact.c.id)).scalars())
    if not found:
        raise NotFound("there is no such contact", code="unknown_contact")
    if len(found) > 1:
        raise BadInput(f"several contacts have this address; say which: {', '.join(found)}", code="ambiguous")
    return str(found[0])


def conversations_of(connection: Connection, contact_id: str) -> tuple[str, ...]:
    """A contact's conversations, oldest first."""
    mine = select(conversation.c.id).where(conversation.c.contact_id == contact_id)
    return tuple(connection.execute(mine.order_by(conversation.c.id)).scalars())


def erase_contact(connection: Connection, contact_id: str, *, site_id: str, actor: str, now: int) -> Erased:
    """Takes a person out. Doing it again finds nothing more. Raises NotFound.

    Publish `conv:<id>` for each conversation, `desk:<site>` and `access` after the commit; open chats then close with 4410.
    """
    person = contacts.get(connection, contact_id, site_id=site_id, for_update=True)
    if person is None:
        raise NotFound("there is no such contact", code="unknown_contact")
    theirs = conversations_of(connection, contact_id)
    parts = [erase_conversation(connection, conversation_id, now=now) for conversation_id in theirs]
    bought = 0
    if person["external_id"] is not None:
        for table in (order_return, orders):
            gone = delete(table).where(
                table.c.site_id == site_id, table.c.external_customer_id == person["external_id"]
            )
            bought += connection.execute(gone).rowcount
    _rename(connection, person["customer_key"], theirs, site_id)
    widget.revoke(connection, contact_id)
    connection.execute(
        update(contact)
        .where(contact.c.id == contact_id)
        .values(
            external_id=None,
            customer_key=_nobodys_key(),
            name=None,
            email=None,
            region=None,
            verified=False,
            attributes={ERASED: person["attributes"].get(ERASED, now)},
        )
    )
    revocation.note(connection)
    erased = Erased(theirs, sum(part.messages for part in parts), sum(part.notes for part in parts), bought)
    audit.record(connection, actor=actor, action="erase", object=contact_id, data=erased.counts(), now=now)
    return erased


def erase_conversation(connection: Connection, conversation_id: str, *, now: int) -> Erased:
    """Takes out what was said in a conversation and about it, and ends it. Its row, scores, decisions and outcomes stay.

    It gets a new epoch, so that no client goes on with what it has.
    """
    _end_task(connection, conversation_id, now)
    messages = connection.execute(delete(event).where(event.c.conversation_id == conversation_id)).rowcount
    for table in (mention, callback):
        connection.execute(delete(table).where(table.c.conversation_id == conversation_id))
    notes = connection.execute(delete(note).where(note.c.conversation_id == conversation_id)).rowcount
    for table in (turn_vector, turn_job):  # a turn that is under way has lost its lease with its row
        connection.execute(delete(table).where(table.c.conversation_id == conversation_id))
    connection.execute(update(task).where(task.c.conversation_id == conversation_id).values(comment=None))
    for judged in (review, scorecard):
        connection.execute(update(judged).where(judged.c.conversation_id == conversation_id).values(comment=None))
    _strip_log(connection, conversation_id)
    connection.execute(
        update(conversation)
        .where(conversation.c.id == conversation_id)
        .values(epoch=new_id(), status="resolved", head=0, seen_seq=0)
    )
    connection.execute(
        update(conversation)
        .where(conversation.c.id == conversation_id, conversation.c.resolved_at.is_(None))
        .values(resolved_at=now)
    )
    return Erased((conversation_id,), messages, notes)


def find_older(connection: Connection, *, site_id: str, before: int, limit: int | None = None) -> tuple[str, ...]:
    """Conversations of a site with anything in them that were last touched before `before` (UTC ms), oldest first."""
    return tuple(connection.execute(_older(site_id, before).limit(limit)).scalars())


def erase_older(connection: Connection, among: tuple[str, ...], *, site_id: str, before: int, now: int) -> Erased:
    """Takes out what was said in those of the conversations `among` that nobody has touched since `before` (UTC ms).

    Who said it is not forgotten: contacts and their orders stay. One audit row names how much it was.
    """
    found = tuple(connection.execute(_older(site_id, before).where(conversation.c.id.in_(among))).scalars())
    parts = [erase_conversation(connection, conversation_id, now=now) for conversation_id in found]
    erased = Erased(found, sum(part.messages for part in parts), sum(part.notes for part in parts))
    if found:
        data = {**erased.counts(), "before": before}
        audit.record(connection, actor="system", action="retention", object=site_id, data=data, now=now)
    return erased


def _older(site_id: str, before: int) -> Select[str]:
    return (
        select(conversation.c.id)
        .where(conversation.c.site_id == site_id, conversation.c.updated_at < before, conversation.c.head > 0)
        .order_by(conversation.c.id)
    )


def _end_task(connection: Connection, conversation_id: str, now: int) -> None:
    """Nobody is to be helped here any more: what waits is done, what an agent holds is let go of."""
    commands.contact_ended(connection, conversation_id, now=now)
    live = store.live_task(connection, conversation_id)
    if live is not None and live.agent_id is not None:  # in wrap-up
        row = connection.execute(select(task).where(task.c.id == live.id)).mappings().one()
        commands.lose(connection, row, live.agent_id, now=now)


def _strip_log(connection: Connection, conversation_id: str) -> None:
    """Takes what may quote somebody out of decisions and outcomes."""
    rows = connection.execute(
        select(decision.c.id, decision.c.candidates).where(decision.c.conversation_id == conversation_id)
    ).all()
    for row in rows:
        kept = [_only(candidate, _KEPT_OF_CANDIDATE) for candidate in row.candidates]
        connection.execute(update(decision).where(decision.c.id == row.id).values(candidates=kept))
    labelled = connection.execute(
        select(outcome.c.id, outcome.c.label).where(outcome.c.conversation_id == conversation_id)
    ).all()
    for entry in labelled:
        if _FREE_TEXT & entry.label.keys():
            label = {name: value for name, value in entry.label.items() if name not in _FREE_TEXT}
            connection.execute(update(outcome).where(outcome.c.id == entry.id).values(label=label))


def _rename(connection: Connection, old: str, conversations: tuple[str, ...], site_id: str) -> None:
    """Gives all that the log knows of a person one new key, also what they did before the shop had named them."""
    new = _nobodys_key()
    for conversation_id in conversations:
        for table in (decision, outcome):
            connection.execute(update(table).where(table.c.conversation_id == conversation_id).values(customer_key=new))
    mine = select(outcome.c.id).where(outcome.c.site_id == site_id, outcome.c.customer_key.in_((old, new)))
    for outcome_id in connection.execute(mine).scalars().all():  # a shop's key may be an order's number
        renamed = update(outcome).where(outcome.c.id == outcome_id)
        connection.execute(renamed.values(idempotency_key=f"erased:{outcome_id}", customer_key=new))
    for table in (decision, exposure):
        connection.execute(
            update(table).where(table.c.site_id == site_id, table.c.customer_key == old).values(customer_key=new)
        )


def _nobodys_key() -> str:
    """A customer key that is nobody's: random, where others are made of a customer number."""
    return secrets.token_hex(32)


def _only(value: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value[name] for name in names if name in value}
