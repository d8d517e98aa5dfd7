"""Scorecards: how well a conversation was handled, in points by criteria that each shop sets for itself.

A card keeps the criteria as they were, so that it can still be read when they have changed. Cards are appended; of one reviewer's
cards on the same person's work in a conversation the newest counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from assistant.conversations import store as conversations
from assistant.errors import BadInput
from assistant.identity import audit, sites
from assistant.identity.agents import Agent
from assistant.ids import new_id
from assistant.outcomes import store as outcomes
from assistant.storage.tables import agent, event, scorecard, site

SETTING: Final = "scorecard"
MOST_CRITERIA: Final = 12
MOST_POINTS: Final = 10
LONGEST_TITLE: Final = 80


@dataclass(frozen=True, slots=True)
class Criterion:
    """What is judged, for 0 to `most` points. `title` in English and Chinese."""

    id: str
    title: Mapping[str, str]
    most: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"id": self.id, "title": dict(self.title), "most": self.most}


DEFAULT: Final = (
    Criterion("understood", {"en": "Understood the problem", "zh": "听懂了问题"}, 3),
    Criterion("answer", {"en": "Right and complete answer", "zh": "回答正确、完整"}, 5),
    Criterion("tone", {"en": "Friendly and clear", "zh": "友好、清楚"}, 3),
    Criterion("retention", {"en": "Did what keeps the customer", "zh": "为留住顾客做了该做的"}, 5),
    Criterion("rules", {"en": "Kept to the shop's rules", "zh": "遵守店铺规定"}, 2),
)


@dataclass(frozen=True, slots=True)
class NewCard:
    """Points by criterion; None: it did not apply. `agent_id`: whose work, by default the last agent's who wrote there."""

    points: Mapping[str, int | None]
    comment: str | None = None
    agent_id: str | None = None


def criteria_of(connection: Connection, site_id: str) -> tuple[Criterion, ...]:
    """The shop's own criteria, or the default ones."""
    settings = connection.execute(select(site.c.settings).where(site.c.id == site_id)).scalar_one()
    given = settings.get(SETTING)
    return DEFAULT if not given else tuple(_criterion(one) for one in given)


def set_criteria(connection: Connection, who: Agent, criteria: Sequence[Criterion], *, now: int) -> None:
    """Gives the shop its own criteria; none: the default ones again. Raises BadInput `bad_criteria`.

    Ids must be unique; titles are needed in at least one language, the other one then shows the same.
    """
    if len(criteria) > MOST_CRITERIA or len({one.id for one in criteria}) != len(criteria):
        raise BadInput(f"at most {MOST_CRITERIA} criteria, each with an id of its own", code="bad_criteria")
    if not all(1 <= one.most <= MOST_POINTS and any(title.strip() for title in one.title.values()) for one in criteria):
        raise BadInput(f"a criterion has a title and 1 to {MOST_POINTS} points", code="bad_criteria")
    given = [one.as_json() for one in criteria] or None
    sites.change_settings(connection, who.site_id, {SETTING: given}, now=now)
    audit.record(connection, actor=who.sender, action="scorecard_changed", data={"criteria": len(criteria)}, now=now)


def add(connection: Connection, who: Agent, conversation_id: str, new: NewCard, *, now: int) -> tuple[str, float]:
    """Stores a card and an outcome of type `scorecard`, for the log; returns its id and the share of the points.

    Raises Forbidden (not the site's conversation) and BadInput: `unknown_criterion`, `bad_points`, `no_points`, `unknown_agent`.
    """
    conversations.get(connection, conversation_id, site_id=who.site_id)
    known = {one.id: one for one in criteria_of(connection, who.site_id)}
    marks = []
    for name, points in new.points.items():
        criterion = known.get(name)
        if criterion is None:
            raise BadInput(f"there is no criterion '{name}' (any more)", code="unknown_criterion")
        if points is None:
            continue
        if not 0 <= points <= criterion.most:
            raise BadInput(f"'{name}' has 0 to {criterion.most} points", code="bad_points")
        marks.append(criterion.as_json() | {"points": points})
    if not marks:
        raise BadInput("no criterion has points", code="no_points")
    wrote = [person["id"] for person in speakers(connection, conversation_id)]
    if new.agent_id is not None and new.agent_id not in wrote:
        raise BadInput("this agent has not written here", code="unknown_agent")
    about = new.agent_id or (wrote[0] if wrote else None)
    share = sum(mark["points"] for mark in marks) / sum(mark["most"] for mark in marks)
    card_id = new_id()
    connection.execute(
        insert(scorecard).values(
            id=card_id,
            site_id=who.site_id,
            conversation_id=conversation_id,
            reviewer_id=who.id,
            agent_id=about,
            marks=marks,
            share=share,
            comment=new.comment,
            at=now,
        )
    )
    outcomes.record(
        connection,
        site_id=who.site_id,
        idempotency_key=f"scorecard:{card_id}",
        type="scorecard",
        source="supervisor",
        ts_event=now,
        now=now,
        conversation_id=conversation_id,
        value=share,
        label={"by": who.id, "agent": about, "marks": {mark["id"]: [mark["points"], mark["most"]] for mark in marks}},
    )
    data = {"scorecard": card_id, "agent": about}
    audit.record(connection, actor=who.sender, action="scorecard", object=conversation_id, data=data, now=now)
    return card_id, share


def speakers(connection: Connection, conversation_id: str) -> list[dict[str, str]]:
    """The agents who wrote in a conversation, who wrote last first: {id, name}."""
    query = select(event.c.sender).where(
        event.c.conversation_id == conversation_id, event.c.kind == "message", event.c.sender.startswith("agent:")
    )
    senders = connection.execute(query.order_by(event.c.seq.desc())).scalars()
    ids = list(dict.fromkeys(sender.removeprefix("agent:") for sender in senders))
    names = {
        row.id: row.name for row in connection.execute(select(agent.c.id, agent.c.name).where(agent.c.id.in_(ids)))
    }
    return [{"id": one, "name": names[one]} for one in ids if one in names]


def cards_of(connection: Connection, conversation_id: str) -> list[dict[str, Any]]:
    """All cards of a conversation, oldest first; `counts`: none of the same reviewer on the same work came later."""
    reviewer, about = agent.alias("reviewer"), agent.alias("about")
    rows = (
        connection.execute(
            select(scorecard, reviewer.c.name.label("by"), about.c.name.label("agent"))
            .join(reviewer, reviewer.c.id == scorecard.c.reviewer_id)
            .outerjoin(about, about.c.id == scorecard.c.agent_id)
            .where(scorecard.c.conversation_id == conversation_id)
            .order_by(scorecard.c.at, scorecard.c.id)
        )
        .mappings()
        .all()
    )
    newest = {(row["reviewer_id"], row["agent_id"]): row["id"] for row in rows}
    return [
        {name: row[name] for name in ("id", "by", "agent", "marks", "share", "comment", "at")}
        | {"counts": newest[row["reviewer_id"], row["agent_id"]] == row["id"]}
        for row in rows
    ]


def shares_by_agent(connection: Connection, site_id: str, *, since: int, until: int) -> dict[str, list[float]]:
    """The shares of the cards of a period that count, by whose work they are about."""
    query = (
        select(scorecard.c.conversation_id, scorecard.c.reviewer_id, scorecard.c.agent_id, scorecard.c.share)
        .where(
            scorecard.c.site_id == site_id,
            scorecard.c.at >= since,
            scorecard.c.at < until,
            scorecard.c.agent_id.is_not(None),
        )
        .order_by(scorecard.c.at, scorecard.c.id)
    )
    newest = {(row.conversation_id, row.reviewer_id, row.agent_id): row.share for row in connection.execute(query)}
    found: dict[str, list[float]] = {}
    for (_, _, agent_id), share in newest.items():
        found.setdefault(agent_id, []).append(share)
    return found


def _criterion(given: Mapping[str, Any]) -> Criterion:
    titles = {language: str(title) for language, title in given["title"].items()}
    return Criterion(str(given["id"]), titles, int(given["most"]))
