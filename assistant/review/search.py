"""Finding conversations: words and filters in, a page of lines out. Reads only; every query is bound to one site.

Words are words: SQL and pattern characters in them mean themselves. All words must be found, each in some message of the
conversation or in the contact's name, e-mail or customer number; Chinese is found by any part of a word.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    Text,
    and_,
    cast,
    func,
    or_,
    select,
    true,
    union,
)

from assistant.errors import BadInput
from assistant.escalation import view
from assistant.escalation.bundle import last_dispositions
from assistant.review.model_reports import ABSENCES
from assistant.storage import fulltext
from assistant.storage.tables import (
    agent,
    contact,
    conversation,
    decision,
    event,
    event_text,
    outcome,
    review,
    score,
    scorecard,
    task,
)
from assistant.wire import MAX_SEQ

Sort = Literal["recent", "risk", "uncertain"]

MOST_WORDS: Final = 8
LONGEST_QUERY: Final = 200
BEFORE: Final = 16  # characters of a message shown before a word that was found
BEHIND: Final = 100


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; None and '' mean any. `since` and `until` bound the time of creation, UTC ms."""

    words: str = ""
    band: str | None = None
    reason: str | None = None
    status: str | None = None
    action: str | None = None  # a kind ('offer') or a whole action ('offer:voucher-10')
    agent: str | None = None
    locale: str | None = None
    disposition: str | None = None
    contact: str | None = None
    escalated: bool | None = None  # whether a person was ever needed
    offer: Literal["accepted", "declined"] | None = None  # how some offer was answered
    outcome: str | None = None  # a type of the log; of an absence only those who did stay away
    reviewed: bool | None = None  # whether a supervisor has judged it, by a verdict or a scorecard
    csat_max: int | None = None
    since: int | None = None
    until: int | None = None
    sort: Sort = "recent"


@dataclass(frozen=True, slots=True)
class Page:
    """Some conversations, the cursor of the next page (None: this was the last), and how many there are in all."""

    conversations: list[dict[str, Any]]
    next: str | None
    total: int


def find(connection: Connection, site_id: str, search: Search, *, cursor: str | None, limit: int) -> Page:
    """One page of `search`. Raises BadInput `bad_cursor`, `bad_query`."""
    where = _where(site_id, search)
    tables = conversation.join(contact, contact.c.id == conversation.c.contact_id)
    if search.words.split():
        found = _found(connection.dialect.name, site_id, search.words.split())
        tables = found.join(conversation, conversation.c.id == found.c.id).join(
            contact, contact.c.id == conversation.c.contact_id
        )
    order = _order(search.sort)
    query = (
        select(
            conversation,
            contact.c.name.label("contact_name"),
            contact.c.verified,
            order.label("sort_key"),
        )
        .select_from(tables)
        .where(where)
        .order_by(order.desc(), conversation.c.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        key, last_id = _read_cursor(cursor)
        query = query.where(or_(order < key, and_(order == key, conversation.c.id < last_id)))
    rows = connection.execute(query).mappings().all()
    total = connection.execute(select(func.count()).select_from(tables).where(where)).scalar_one()
    page = rows[:limit]
    following = _cursor(page[-1]) if len(rows) > limit else None
    lines = _lines(connection, site_id, page)
    where_found = _matches(connection, [row["id"] for row in page], search.words.split())
    for line in lines:
        line["match"] = where_found.get(line["id"])
    return Page(lines, following, int(total))


def _where(site_id: str, search: Search) -> ColumnElement[bool]:
    words = search.words.split()
    if len(search.words) > LONGEST_QUERY or len(words) > MOST_WORDS:
        raise BadInput(f"at most {MOST_WORDS} words and {LONGEST_QUERY} characters", code="bad_query")
    conditions: list[ColumnElement[bool]] = [conversation.c.site_id == site_id]
    for value, column in (
        (search.band, conversation.c.band),
        (search.status, conversation.c.status),
        (search.contact, conversation.c.contact_id),
    ):
        if value:
            conditions.append(column == value)
    if search.locale:
        conditions.append(
            or_(
                conversation.c.locale == search.locale,
                conversation.c.locale.startswith(f"{search.locale}-", autoescape=True),
            )
        )
    if search.reason:
        quoted = orjson.dumps(search.reason).decode()
        conditions.append(cast(conversation.c.reasons, Text).contains(quoted, autoescape=True))
    if search.action:
        conditions.append(_exists(decision, or_(decision.c.kind == search.action, decision.c.action == search.action)))
    if search.agent:
        conditions.append(_exists(task, task.c.agent_id == search.agent))
    if search.disposition:
        conditions.append(_exists(task, task.c.disposition == search.disposition))
    if search.escalated is not None:
        of_it = _exists(task, true())
        conditions.append(of_it if search.escalated else ~of_it)
    if search.offer:
        conditions.append(_came(site_id, outcome.c.type == ("accept" if search.offer == "accepted" else "decline")))
    if search.outcome:
        of_type = outcome.c.type == search.outcome
        conditions.append(_came(site_id, and_(of_type, outcome.c.value > 0) if search.outcome in ABSENCES else of_type))
    if search.reviewed is not None:
        judged = or_(_exists(review, true()), _exists(scorecard, true()))
        conditions.append(judged if search.reviewed else ~judged)
    if search.csat_max is not None:
        conditions.append(conversation.c.csat <= search.csat_max)
    if search.since is not None:
        conditions.append(conversation.c.created_at >= search.since)
    if search.until is not None:
        conditions.append(conversation.c.created_at < search.until)
    return and_(*conditions)


def _found(dialect: str, site_id: str, words: Sequence[str]) -> FromClause:
    """The conversations in which, or in whose contact, every word stands: what a search with words begins with."""
    each = []
    for word in words:
        people = select(contact.c.id).where(
            contact.c.site_id == site_id,
            or_(
                *(contact.c.name.icontains(form, autoescape=True) for form in _forms(word)),
                contact.c.email.icontains(word, autoescape=True),
                contact.c.external_id == word,
            ),
        )
        theirs = select(conversation.c.id).where(conversation.c.contact_id.in_(people))
        said = fulltext.conversations_with(dialect, word).subquery()
        each.append(union(select(said.c.conversation_id.label("id")), theirs).subquery())
    first, *others = each
    found = select(first.c.id)
    for one in others:
        found = found.join(one, one.c.id == first.c.id)
    return found.subquery("found")


def _matches(connection: Connection, ids: Sequence[str], words: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By conversation: the message in which the first of the words stands that stands in one, {seq, text}."""
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        missing = [one for one in ids if one not in found]
        if not missing:
            break
        first = (
            select(event_text.c.conversation_id, func.min(event_text.c.seq).label("seq"))
            .where(
                event_text.c.conversation_id.in_(missing),
                event_text.c.text.contains(fulltext.fold(word), autoescape=True),
            )
            .group_by(event_text.c.conversation_id)
            .subquery()
        )
        rows = connection.execute(
            select(event.c.conversation_id, event.c.seq, event.c.body).join(
                first, and_(event.c.conversation_id == first.c.conversation_id, event.c.seq == first.c.seq)
            )
        )
        for row in rows:
            found[row.conversation_id] = {"seq": row.seq, "text": snippet(row.body, word)}
    return found


def snippet(body: str, word: str) -> str:
    """The part of a message around a word, on one line, at most about 140 characters."""
    line = " ".join(body.split())
    at = max(0, line.casefold().find(word.casefold()))
    start, end = max(0, at - BEFORE), at + len(word) + BEHIND
    return f"{'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}"


def _forms(word: str) -> list[str]:
    """A word as a name may have it: beyond ASCII neither database can be trusted to know upper and lower case."""
    return [word] if word.isascii() else sorted({word, word.lower(), word.upper(), word.capitalize()})


def _came(site_id: str, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Conversations of which, or of one of whose decisions, such an outcome is known."""
    ours = and_(outcome.c.site_id == site_id, condition)
    directly = select(outcome.c.conversation_id).where(ours, outcome.c.conversation_id.is_not(None))
    decided = select(decision.c.conversation_id).join(outcome, outcome.c.decision_id == decision.c.id).where(ours)
    return conversation.c.id.in_(union(directly, decided))


def _exists(table: Any, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(table.c.conversation_id).where(table.c.conversation_id == conversation.c.id, condition).exists()


def _order(sort: Sort) -> ColumnElement[Any]:
    """What to sort by, highest first. Uncertain: the width of the last score's interval."""
    match sort:
        case "recent":
            return conversation.c.updated_at.expression
        case "risk":
            return func.coalesce(conversation.c.risk, -1.0)
        case "uncertain":
            width = (
                select(score.c.high - score.c.low)
                .where(score.c.conversation_id == conversation.c.id, score.c.churn.is_not(None))
                .order_by(score.c.seq.desc())
                .limit(1)
                .scalar_subquery()
            )
            return func.coalesce(width, -1.0)


def _cursor(row: RowMapping) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([row["sort_key"], row["id"]])).decode()


def _read_cursor(cursor: str) -> tuple[float, str]:
    try:
        key, last_id = orjson.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, binascii.Error, TypeError):
        raise BadInput("the cursor is not one of ours", code="bad_cursor") from None
    if not isinstance(key, int | float) or not isinstance(last_id, str) or abs(key) > MAX_SEQ or "\0" in last_id:
        raise BadInput("the cursor is not one of ours", code="bad_cursor")
    return key, last_id


def _lines(connection: Connection, site_id: str, rows: Sequence[RowMapping]) -> list[dict[str, Any]]:
    ids = [row["id"] for row in rows]
    names = {entry["id"]: entry["name"] for entry in agents_of(connection, site_id)}
    counted = (
        select(event.c.conversation_id, func.count())
        .where(event.c.conversation_id.in_(ids), event.c.sender == "contact", event.c.kind == "message")
        .group_by(event.c.conversation_id)
    )
    turns = {row[0]: row[1] for row in connection.execute(counted)}
    tasks = {
        row["conversation_id"]: row
        for row in connection.execute(
            select(task.c.conversation_id, task.c.agent_id)
            .where(task.c.conversation_id.in_(ids))
            .order_by(task.c.created_at, task.c.id)
        ).mappings()
    }
    actions = {
        row.conversation_id: row.action
        for row in connection.execute(
            select(decision.c.conversation_id, decision.c.action)
            .where(decision.c.conversation_id.in_(ids), decision.c.kind != "none")
            .order_by(decision.c.seq)
        )
    }
    results = last_dispositions(connection, ids)
    last_words = view.previews(connection, ids)
    lines = []
    for row in rows:
        of_task = tasks.get(row["id"])
        lines.append(
            {
                "id": row["id"],
                "name": view.display_name(row["contact_name"], row["contact_id"]),
                "verified": row["verified"],
                "locale": row["locale"],
                "created_at": row["created_at"],
                "updated_at": row["updated_at"],
                "status": row["status"],
                "band": row["band"],
                "risk": row["risk"],
                "reasons": view.reason_codes(row["reasons"]),
                "turns": turns.get(row["id"], 0),
                "agent": names.get(of_task["agent_id"]) if of_task is not None else None,
                "csat": row["csat"],
                "disposition": results.get(row["id"]),
                "escalated": of_task is not None,
                "action_last": actions.get(row["id"]),
                "preview": view.preview_text(last_words.get(row["id"])),
            }
        )
    return lines


def agents_of(connection: Connection, site_id: str) -> list[dict[str, Any]]:
    """The names of the site's agents, of former ones too."""
    rows = connection.execute(select(agent.c.id, agent.c.name).where(agent.c.site_id == site_id).order_by(agent.c.name))
    return [{"id": row.id, "name": row.name} for row in rows]
