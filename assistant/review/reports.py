"""Reports: each is a table over a period, worked out from rows, that opens to the conversations behind each line.

A cell that too few rows stand behind is null. Times are seconds, money minor units, shares 0..1. `drill` of a line holds the
filters of the transcript list that show what it counts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, select

from assistant.errors import NotFound
from assistant.escalation import view
from assistant.escalation.store import TAKEN_OVER
from assistant.review import model_reports, scorecards, value_reports
from assistant.review.statistics import median
from assistant.review.tables import LEAST, Period, Table
from assistant.storage.tables import (
    agent,
    conversation,
    event,
    review,
    suggestion_use,
    task,
)

UNHAPPY: Final = 2  # the best of the bad ratings

Report = Callable[[Connection, str, Period], Table]


def build(connection: Connection, site_id: str, name: str, period: Period) -> Table:
    """The report `name`. Raises NotFound `unknown_report`."""
    report = REPORTS.get(name)
    if report is None:
        raise NotFound(f"no such report; known: {', '.join(sorted(REPORTS))}", code="unknown_report")
    return report(connection, site_id, period)


# --- by day ---------------------------------------------------------------------------------------------------------


def volume(connection: Connection, site_id: str, period: Period) -> Table:
    """Conversations by the day they began: how many, escalated, resolved without a person, how long, how they were rated."""
    table = Table(
        (
            ("day", "text"),
            ("conversations", "count"),
            ("turns", "count"),
            ("escalated", "count"),
            ("resolved", "count"),
            ("resolved_by_bot", "count"),
            ("csat", "rating"),
            ("churn", "score"),
        )
    )
    talks = _conversations(connection, site_id, period)
    escalated = {row["conversation_id"] for row in _tasks(connection, site_id, period, by_conversation=True)}
    turns = Counter(_turns(connection, site_id, period))
    by_day = _grouped(talks, lambda row: period.day(row["created_at"]))
    for day, drill in period.days():
        rows = by_day.get(day, [])
        over = [row for row in rows if row["status"] == "resolved"]
        table.add(
            [
                day,
                len(rows),
                sum(turns[row["id"]] for row in rows),
                sum(row["id"] in escalated for row in rows),
                len(over),
                sum(row["id"] not in escalated for row in over),
                _mean(row["csat"] for row in rows),
                _mean(row["risk"] for row in rows),
            ],
            **drill,
        )
    return table


def response(connection: Connection, site_id: str, period: Period) -> Table:
    """By the day of queueing: how long contacts waited for a person, for the first reply, and how long it took."""
    table = Table(
        (
            ("day", "text"),
            ("tasks", "count"),
            ("wait", "seconds"),
            ("first_reply", "seconds"),
            ("handle", "seconds"),
            ("told_waiting", "count"),
        )
    )
    by_day = _grouped(_tasks(connection, site_id, period), lambda row: period.day(row["queued_at"]))
    for day, drill in period.days():
        rows = by_day.get(day, [])
        waited = [row for row in rows if row["reason"] != TAKEN_OVER]
        table.add(
            [
                day,
                len(rows),
                _median_s(waited, "queued_at", "assigned_at"),
                _median_s(waited, "queued_at", "first_reply_at"),
                _median_s([row for row in rows if row["state"] == "done"], "assigned_at", "done_at"),
                sum(row["told_waiting_at"] is not None for row in rows),
            ],
            **drill,
            escalated=True,
        )
    return table


def csat(connection: Connection, site_id: str, period: Period) -> Table:
    """By the day a conversation began: how many were rated, how well, the share of 1 and 2, and with and without a person."""
    table = Table(
        (
            ("day", "text"),
            ("ratings", "count"),
            ("csat", "rating"),
            ("unhappy", "share"),
            ("csat_bot", "rating"),
            ("csat_agent", "rating"),
        )
    )
    escalated = {row["conversation_id"] for row in _tasks(connection, site_id, period, by_conversation=True)}
    rated = [row for row in _conversations(connection, site_id, period) if row["csat"] is not None]
    by_day = _grouped(rated, lambda row: period.day(row["created_at"]))
    for day, drill in period.days():
        rows = by_day.get(day, [])
        table.add(
            [
                day,
                len(rows),
                _mean(row["csat"] for row in rows),
                _share(sum(row["csat"] <= UNHAPPY for row in rows), len(rows)),
                _mean(row["csat"] for row in rows if row["id"] not in escalated),
                _mean(row["csat"] for row in rows if row["id"] in escalated),
            ],
            **drill,
        )
    return table


# --- by what it was about -------------------------------------------------------------------------------------------


def escalation(connection: Connection, site_id: str, period: Period) -> Table:
    """By the reason of the escalation: how often, how it ended, and how often a review found it needed."""
    table = Table(
        (
            ("reason", "text"),
            ("tasks", "count"),
            ("taken", "count"),
            ("wait", "seconds"),
            ("saved_or_solved", "share"),
            ("reviewed", "count"),
            ("needed", "share"),
        )
    )
    tasks = _tasks(connection, site_id, period)
    verdicts: defaultdict[str, list[str]] = defaultdict(list)
    for row in connection.execute(
        select(review.c.conversation_id, review.c.verdict)
        .join(conversation, conversation.c.id == review.c.conversation_id)
        .where(conversation.c.site_id == site_id)
    ):
        verdicts[row.conversation_id].append(row.verdict)
    for reason, rows in _by_size(_grouped(tasks, lambda row: row["reason"])):
        ended = [row["disposition"] for row in rows if row["disposition"] is not None]
        judged = [verdict for row in rows for verdict in verdicts[row["conversation_id"]]]
        table.add(
            [
                reason,
                len(rows),
                sum(row["assigned_at"] is not None for row in rows),
                _median_s(rows, "queued_at", "assigned_at"),
                _share(sum(result in ("saved", "solved") for result in ended), len(ended)),
                len(judged),
                _share(sum(verdict != "not_needed" for verdict in judged), len(judged)),
            ],
            escalated=True,
            since=period.since,
            until=period.until,
        )
    return table


def churn_by(key: str) -> Report:
    """Churn by reason, channel, language, product or product category, beside that of the period before."""

    def report(connection: Connection, site_id: str, period: Period) -> Table:
        table = Table(
            (
                (key, "text"),
                ("conversations", "count"),
                ("churn", "score"),
                ("churn_before", "score"),
                ("change", "change"),
                ("high", "share"),
                ("csat", "rating"),
            )
        )
        earlier = {value: _churn(rows) for value, rows in _by_value(connection, site_id, period.before, key).items()}
        for value, rows in _by_size(_by_value(connection, site_id, period, key)):
            scored = [row for row in rows if row["risk"] is not None]
            now, then = _churn(rows), earlier.get(value)
            drill = {key: value} if key in ("reason", "locale") else {}
            table.add(
                [
                    value,
                    len(rows),
                    now,
                    then,
                    None if now is None or then is None else now - then,
                    _share(sum(row["band"] == "high" for row in scored), len(scored)),
                    _mean(row["csat"] for row in rows),
                ],
                since=period.since,
                until=period.until,
                **drill,
            )
        return table

    return report


def _churn(rows: Iterable[RowMapping]) -> float | None:
    return _mean(row["risk"] for row in rows)


def _by_value(connection: Connection, site_id: str, period: Period, key: str) -> dict[str, list[RowMapping]]:
    groups: defaultdict[str, list[RowMapping]] = defaultdict(list)
    shown = _shown(connection, site_id, period, key) if key in ("category", "product") else {}
    for row in _conversations(connection, site_id, period):
        for value in _values(row, key, shown):
            groups[value].append(row)
    return dict(groups)


def agents(connection: Connection, site_id: str, period: Period) -> Table:
    """By agent: how many conversations, how fast, how they ended and were rated, what became of suggestions, and the scorecards."""
    table = Table(
        (
            ("agent", "text"),
            ("taken", "count"),
            ("resolved", "count"),
            ("first_reply", "seconds"),
            ("handle", "seconds"),
            ("saved_or_solved", "share"),
            ("csat", "rating"),
            ("suggestions_used", "share"),
            ("scorecards", "count"),
            ("quality", "share"),
        )
    )
    ratings = {row["id"]: row["csat"] for row in _conversations(connection, site_id, period)}
    uses: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in connection.execute(
        select(suggestion_use.c.agent_id, suggestion_use.c.use)
        .join(conversation, conversation.c.id == suggestion_use.c.conversation_id)
        .where(
            conversation.c.site_id == site_id, suggestion_use.c.at >= period.since, suggestion_use.c.at < period.until
        )
    ):
        uses[row.agent_id][row.use] += 1
    cards = scorecards.shares_by_agent(connection, site_id, since=period.since, until=period.until)
    by_agent = _grouped(
        (row for row in _tasks(connection, site_id, period) if row["agent_id"] is not None), lambda row: row["agent_id"]
    )
    names = connection.execute(
        select(agent.c.id, agent.c.name).where(agent.c.site_id == site_id).order_by(agent.c.name)
    )
    for person in names:
        rows = by_agent.get(person.id, [])
        results = [row["disposition"] for row in rows if row["disposition"] is not None]
        used = uses[person.id]
        table.add(
            [
                person.name,
                len(rows),
                len(results),
                _median_s(rows, "assigned_at", "first_reply_at"),
                _median_s([row for row in rows if row["state"] == "done"], "assigned_at", "done_at"),
                _share(sum(result in ("saved", "solved") for result in results), len(results)),
                _mean(ratings.get(row["conversation_id"]) for row in rows),
                _share(used["accepted"] + used["edited"], used.total()),
                len(cards.get(person.id, ())),
                _mean(cards.get(person.id, ())),
            ],
            agent=person.id,
            since=period.since,
            until=period.until,
        )
    return table


REPORTS: Final[dict[str, Report]] = {
    "volume": volume,
    "response": response,
    "csat": csat,
    "escalation": escalation,
    "churn-by-reason": churn_by("reason"),
    "churn-by-channel": churn_by("channel"),
    "churn-by-language": churn_by("locale"),
    "churn-by-category": churn_by("category"),
    "churn-by-product": churn_by("product"),
    "offers": value_reports.offers,
    "retention": value_reports.retention,
    "agents": agents,
    "calibration": model_reports.calibration,
    "drift": model_reports.drift,
}


# --- rows -----------------------------------------------------------------------------------------------------------


def _conversations(connection: Connection, site_id: str, period: Period) -> Sequence[RowMapping]:
    return (
        connection.execute(
            select(
                conversation.c.id,
                conversation.c.created_at,
                conversation.c.status,
                conversation.c.csat,
                conversation.c.risk,
                conversation.c.band,
                conversation.c.reasons,
                conversation.c.channel,
                conversation.c.locale,
            ).where(
                conversation.c.site_id == site_id,
                conversation.c.created_at >= period.since,
                conversation.c.created_at < period.until,
            )
        )
        .mappings()
        .all()
    )


def _tasks(
    connection: Connection, site_id: str, period: Period, *, by_conversation: bool = False
) -> Sequence[RowMapping]:
    """Tasks queued in the period, or those of conversations that began in it."""
    began = conversation.c.created_at if by_conversation else task.c.queued_at
    return (
        connection.execute(
            select(task)
            .join(conversation, conversation.c.id == task.c.conversation_id)
            .where(task.c.site_id == site_id, began >= period.since, began < period.until)
        )
        .mappings()
        .all()
    )


def _turns(connection: Connection, site_id: str, period: Period) -> Sequence[str]:
    """The conversation of each contact message of conversations that began in the period."""
    return (
        connection.execute(
            select(event.c.conversation_id)
            .join(conversation, conversation.c.id == event.c.conversation_id)
            .where(
                conversation.c.site_id == site_id,
                conversation.c.created_at >= period.since,
                conversation.c.created_at < period.until,
                event.c.sender == "contact",
                event.c.kind == "message",
            )
        )
        .scalars()
        .all()
    )


def _shown(connection: Connection, site_id: str, period: Period, key: str) -> dict[str, set[str]]:
    """The products that were shown, or their categories, by conversation."""
    name = "category" if key == "category" else "title"
    shown: defaultdict[str, set[str]] = defaultdict(set)
    rows = connection.execute(
        select(event.c.conversation_id, event.c.data)
        .join(conversation, conversation.c.id == event.c.conversation_id)
        .where(
            conversation.c.site_id == site_id,
            conversation.c.created_at >= period.since,
            conversation.c.created_at < period.until,
            event.c.kind == "products",
        )
    )
    for row in rows:
        shown[row.conversation_id] |= {
            str(product[name]) for product in row.data.get("products", ()) if product.get(name)
        }
    return dict(shown)


def _values(row: RowMapping, key: str, shown: Mapping[str, set[str]]) -> Iterable[str]:
    match key:
        case "reason":
            return view.reason_codes(row["reasons"])
        case "category" | "product":
            return shown.get(row["id"], ())
        case _:
            return (row[key],)


# --- figures --------------------------------------------------------------------------------------------------------


def _grouped(rows: Iterable[RowMapping], key: Callable[[RowMapping], str]) -> dict[str, list[RowMapping]]:
    groups: defaultdict[str, list[RowMapping]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(groups)


def _by_size(groups: Mapping[str, list[RowMapping]]) -> list[tuple[str, list[RowMapping]]]:
    return sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) >= LEAST else None


def _median_s(rows: Sequence[RowMapping], start: str, end: str) -> float | None:
    middle = median(
        [row[end] - row[start] for row in rows if row[start] is not None and row[end] is not None], least=LEAST
    )
    return None if middle is None else middle / 1000


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole >= LEAST else None
