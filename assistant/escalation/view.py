"""What the console is shown: rows of the database as frames. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, func, or_, select

from assistant.conversations.contacts import display_name as display_name
from assistant.conversations.view import sender_kind
from assistant.escalation import callbacks, mentions, presence, store
from assistant.escalation.frames import Desk, DeskNote, DeskScore, Presence, TaskCard, TeamMember
from assistant.escalation.routing import order_key
from assistant.escalation.sweeper import to_waiting
from assistant.identity.agents import Agent
from assistant.storage.tables import agent as agents
from assistant.storage.tables import contact, conversation, event, note, score, site, task
from assistant.storage.tables import presence as presences

MOST_CARDS: Final = 200  # of each list; the head of the queue is what counts
PREVIEW: Final = 120
_HERE_FIRST: Final[Sequence[Presence]] = ("available", "away", "offline")
REPLY_DUE_MS: Final = 120_000  # unless the site's settings say `reply_seconds`


def notes_of(connection: Connection, conversation_id: str, *, known: Collection[str] = ()) -> list[DeskNote]:
    """Notes of a conversation but for those already `known`, oldest first."""
    rows = (
        connection.execute(
            select(note, agents.c.name)
            .join(agents, agents.c.id == note.c.agent_id)
            .where(note.c.conversation_id == conversation_id, note.c.id.not_in(known))
            .order_by(note.c.at, note.c.id)
        )
        .mappings()
        .all()
    )
    named = mentions.names_of(connection, [row["id"] for row in rows]) if rows else {}
    return [
        DeskNote(
            conv=conversation_id,
            id=row["id"],
            agent=row["name"],
            body=row["body"],
            after_seq=row["after_seq"],
            at=row["at"],
            mentions=named.get(row["id"], []),
        )
        for row in rows
    ]


def scores_of(connection: Connection, conversation_id: str, *, after: int = 0) -> list[DeskScore]:
    """The latest score of each contact turn with seq > `after`, ascending."""
    rows = connection.execute(
        select(score)
        .where(score.c.conversation_id == conversation_id, score.c.seq > after)
        .order_by(score.c.seq, score.c.created_at, score.c.id)
    ).mappings()
    latest = {row["seq"]: row for row in rows}
    return [
        DeskScore(
            conv=conversation_id,
            seq=seq,
            churn=row["churn"],
            low=row["low"],
            high=row["high"],
            band=row["band"],
            need_human=row["need_human"],
            dissatisfaction=row["dissatisfaction"],
            reasons=row["reasons"],
            drivers=row["drivers"],
        )
        for seq, row in latest.items()
    ]


def desk(connection: Connection, who: Agent, *, now: int, seen: Mapping[str, int]) -> Desk:
    """The whole desk as `who` may see it. `seen`: the last seq the agent has read, by conversation."""
    offered = cards(connection, who.site_id, (task.c.state == "offered") & (task.c.offered_to == who.id), seen)
    mine = cards(connection, who.site_id, task.c.state.in_(store.HELD) & (task.c.agent_id == who.id), seen)
    not_to_me = (task.c.state == "queued") | ((task.c.state == "offered") & (task.c.offered_to != who.id))
    waiting = cards(connection, who.site_id, not_to_me, seen)
    others = cards(connection, who.site_id, task.c.state.in_(store.HELD) & (task.c.agent_id != who.id), seen)
    to_call = callbacks.waiting(connection, who.site_id, now=now)
    return Desk(
        now=now,
        presence=presence.here(connection, who.id).seen_as(now),
        load=len(mine),
        capacity=who.capacity,
        offered=offered,
        mine=mine,
        waiting=waiting,
        waiting_total=_count(connection, who.site_id, not_to_me) if len(waiting) >= MOST_CARDS else len(waiting),
        others=others,
        team=[one for one in team(connection, who.site_id, now=now) if one.id != who.id],
        mentions=mentions.latest(connection, who),
        mentions_unread=mentions.unread_count(connection, who),
        callbacks=to_call,
        callbacks_total=len(to_call)
        if len(to_call) < callbacks.MOST_LISTED
        else callbacks.count(connection, who.site_id),
    )


def _count(connection: Connection, site_id: str, which: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(task).where(task.c.site_id == site_id, which)
    return int(connection.execute(query).scalar_one())


def team(connection: Connection, site_id: str, *, now: int) -> list[TeamMember]:
    """The site's agents who may log in, those who are here first, then by name."""
    load = (
        select(task.c.agent_id, func.count().label("load"))
        .where(task.c.site_id == site_id, task.c.state.in_(store.HELD))
        .group_by(task.c.agent_id)
        .subquery()
    )
    rows = connection.execute(
        select(agents, presences.c.state, presences.c.lease_until, load.c.load)
        .join(presences, presences.c.agent_id == agents.c.id, isouter=True)
        .join(load, load.c.agent_id == agents.c.id, isouter=True)
        .where(agents.c.site_id == site_id, agents.c.disabled.is_(False))
    ).mappings()
    members = [
        TeamMember(
            id=row["id"],
            name=row["name"],
            presence=presence.Here(row["state"] or "offline", row["lease_until"] or 0).seen_as(now),
            load=row["load"] or 0,
            capacity=row["capacity"],
            languages=row["languages"],
        )
        for row in rows
    ]
    return sorted(members, key=lambda one: (_HERE_FIRST.index(one.presence), one.name, one.id))


def card_of(connection: Connection, site_id: str, conversation_id: str) -> TaskCard | None:
    """The live task of a conversation."""
    live = (task.c.conversation_id == conversation_id) & (task.c.state != "done")
    return next(iter(cards(connection, site_id, live, {})), None)


def cards(connection: Connection, site_id: str, which: ColumnElement[bool], seen: Mapping[str, int]) -> list[TaskCard]:
    """Lines of the queue, first served first, at most `MOST_CARDS`."""
    holder = agents.alias("holder")
    rows = (
        connection.execute(
            select(
                task,
                contact.c.id.label("contact_id"),
                contact.c.name.label("contact_name"),
                contact.c.verified,
                conversation.c.locale,
                conversation.c.risk,
                conversation.c.band,
                conversation.c.reasons,
                site.c.currency,
                site.c.settings,
                holder.c.name.label("agent_name"),
            )
            .join(conversation, conversation.c.id == task.c.conversation_id)
            .join(contact, contact.c.id == conversation.c.contact_id)
            .join(site, site.c.id == task.c.site_id)
            .join(holder, holder.c.id == task.c.agent_id, isouter=True)
            .where(task.c.site_id == site_id, which)
        )
        .mappings()
        .all()
    )
    ordered = sorted(rows, key=lambda row: order_key(to_waiting(row)))[:MOST_CARDS]
    ids = [row["conversation_id"] for row in ordered]
    last_words = {**previews(connection, ids), **previews(connection, _nobody_has(ordered), sender="contact")}
    open_since = _unanswered(connection, ids, seen)
    return [
        _card(row, last_words.get(row["conversation_id"]), open_since.get(row["conversation_id"])) for row in ordered
    ]


def _card(row: RowMapping, preview: RowMapping | None, unanswered: tuple[int, int] | None) -> TaskCard:
    unread, since = unanswered or (0, None)
    reply_ms = int(row["settings"].get("reply_seconds", REPLY_DUE_MS // 1000)) * 1000
    return TaskCard(
        task=row["id"],
        conv=row["conversation_id"],
        state=row["state"],
        name=display_name(row["contact_name"], row["contact_id"]),
        verified=row["verified"],
        locale=row["locale"],
        reason=row["reason"],
        reasons=reason_codes(row["reasons"]),
        risk=row["risk"],
        band=row["band"],
        value_at_stake=row["value_at_stake"],
        currency=row["currency"],
        preview=preview_text(preview),
        preview_from=sender_kind(preview["sender"]) if preview is not None else "contact",
        waiting_since=row["queued_at"],
        offer=row["offer_id"],
        deadline=row["deadline"],
        agent=row["agent_name"],
        agent_id=row["agent_id"],
        assign_epoch=row["assign_epoch"],
        unread=unread,
        due_at=since + reply_ms if since is not None and row["state"] == "assigned" else None,
        snoozed_until=row["snoozed_until"],
    )


def reason_codes(reasons: Sequence[Any]) -> list[str]:
    """Codes of a stored list of reasons, whether they come with probabilities or without."""
    return [entry["reason"] if isinstance(entry, Mapping) else str(entry) for entry in reasons]


def preview_text(row: RowMapping | None) -> str:
    """The beginning of what was said."""
    return "" if row is None else str(row["body"])[:PREVIEW]


def _nobody_has(rows: Sequence[RowMapping]) -> list[str]:
    """Conversations that wait for a person: what counts there is the contact's words, not the promise that somebody comes."""
    return [row["conversation_id"] for row in rows if row["state"] in ("queued", "offered")]


def previews(connection: Connection, ids: Sequence[str], *, sender: str | None = None) -> dict[str, RowMapping]:
    """The last thing that anybody wrote, or that `sender` did, by conversation."""
    said = [event.c.conversation_id.in_(ids), event.c.body.is_not(None)]
    last = (
        select(event.c.conversation_id, func.max(event.c.seq).label("seq"))
        .where(*said if sender is None else [*said, event.c.sender == sender])
        .group_by(event.c.conversation_id)
        .subquery()
    )
    rows = connection.execute(
        select(event.c.conversation_id, event.c.body, event.c.sender).join(
            last, (event.c.conversation_id == last.c.conversation_id) & (event.c.seq == last.c.seq)
        )
    ).mappings()
    return {row["conversation_id"]: row for row in rows}


def _unanswered(connection: Connection, ids: Sequence[str], seen: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Contact messages since the last one of an agent or of the assistant: (how many are unread, when the first came).

    `unread` leaves out those up to `seen`; a reply is due all the same.
    """
    answered = (
        select(event.c.conversation_id, func.max(event.c.seq).label("seq"))
        .where(
            event.c.conversation_id.in_(ids),
            event.c.body.is_not(None),
            or_(event.c.sender.like("agent:%"), event.c.sender == "bot"),
        )
        .group_by(event.c.conversation_id)
        .subquery()
    )
    rows = connection.execute(
        select(event.c.conversation_id, event.c.seq, event.c.at)
        .join(answered, answered.c.conversation_id == event.c.conversation_id, isouter=True)
        .where(
            event.c.conversation_id.in_(ids),
            event.c.sender == "contact",
            event.c.kind == "message",
            event.c.seq > func.coalesce(answered.c.seq, 0),
        )
        .order_by(event.c.conversation_id, event.c.seq)
    )
    found: dict[str, tuple[int, int]] = {}
    for row in rows:
        unread, since = found.get(row.conversation_id, (0, row.at))
        found[row.conversation_id] = (unread + (row.seq > seen.get(row.conversation_id, 0)), since)
    return found
