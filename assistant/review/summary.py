"""The supervisor's figures, each worked out from rows; one that too few rows stand behind is null, never guessed."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection, and_, func, select

from assistant.errors import Forbidden
from assistant.escalation.bundle import wallet_entries
from assistant.escalation.store import TAKEN_OVER
from assistant.policy import wallet
from assistant.review.statistics import difference, median
from assistant.review.value_reports import LAG_MS, WINDOW_MS, bought_again
from assistant.storage.tables import conversation, event, site, task

DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
PERIOD_MS: Final = 7 * DAY_MS  # conversations, escalations, first responses
CSAT_MS: Final = 30 * DAY_MS
RETENTION_COHORT_MS: Final = 180 * DAY_MS
WEEKS: Final = 12
LEAST: Final = 5  # rows behind a median or a mean


def summarise(connection: Connection, site_id: str, *, now: int) -> dict[str, Any]:
    """The figures of docs/http.md, `GET /api/review/summary`. Raises Forbidden for an unknown site."""
    shop = connection.execute(select(site).where(site.c.id == site_id)).mappings().one_or_none()
    if shop is None:
        raise Forbidden("no such site")
    since = now - PERIOD_MS
    queued = connection.execute(
        select(func.count(), func.min(task.c.queued_at)).where(
            task.c.site_id == site_id, task.c.state.in_(("queued", "offered"))
        )
    ).one()
    rules = wallet.WalletRules.from_settings(shop["settings"].get("wallet", {}))
    entries = [entry for _, entry in wallet_entries(connection, site_id)]
    return {
        "retention": retention(connection, site_id, now=now),
        "high_risk_now": _count(
            connection,
            select(func.count()).where(
                conversation.c.site_id == site_id, conversation.c.band == "high", conversation.c.status != "resolved"
            ),
        ),
        "waiting": queued[0],
        "longest_wait_s": None if queued[1] is None else max(0, (now - queued[1]) // 1000),
        "first_response_s": {
            "bot": _bot_response_s(connection, site_id, since),
            "agent": _agent_response_s(connection, site_id, since),
        },
        "offers": {
            "spent": wallet.committed(entries, since=now - rules.period_days * DAY_MS),
            "budget": rules.budget,
            "currency": shop["currency"],
        },
        "conversations": _count(
            connection,
            select(func.count()).where(conversation.c.site_id == site_id, conversation.c.created_at > since),
        ),
        "escalations": _count(
            connection, select(func.count()).where(task.c.site_id == site_id, task.c.created_at > since)
        ),
        "csat": _csat(connection, site_id, now - CSAT_MS),
        "churn_weekly": churn_weekly(connection, site_id, now=now),
    }


def retention(connection: Connection, site_id: str, *, now: int) -> dict[str, Any] | None:
    """How many more of the customers who may be treated bought again than of the holdout, in percentage points.

    Everyone counts by allocation (intention to treat), once, from the first decision of the last 180 days whose 30 days are over
    and reported. Bought again: an order, or a purchase outcome, within 30 days of it. Null below 30 customers a group.
    """
    closed = now - WINDOW_MS - LAG_MS
    each = bought_again(site_id, since=now - RETENTION_COHORT_MS, closed=closed).subquery()
    counted = select(each.c.held_out, func.sum(each.c.again).label("bought"), func.count().label("n"))
    groups = {
        row.held_out: (int(row.bought), int(row.n)) for row in connection.execute(counted.group_by(each.c.held_out))
    }
    if 0 not in groups or 1 not in groups:
        return None
    lift = difference(*groups[0], *groups[1])
    if lift is None:
        return None
    return {"lift_pt": 100 * lift.value, "low": 100 * lift.low, "high": 100 * lift.high, "n": lift.n}


def churn_weekly(connection: Connection, site_id: str, *, now: int) -> list[dict[str, Any]]:
    """Mean churn score of each of the last twelve weeks, oldest first: [{week, churn, n}].

    `week`: its start, UTC ms, weeks ending now; `churn`: over the conversations created in it, by their last score; null below
    5 conversations.
    """
    start = now - WEEKS * WEEK_MS
    rows = connection.execute(
        select(conversation.c.created_at, conversation.c.risk).where(
            conversation.c.site_id == site_id,
            conversation.c.created_at > start,
            conversation.c.created_at <= now,
            conversation.c.risk.is_not(None),
        )
    )
    weeks: list[list[float]] = [[] for _ in range(WEEKS)]
    for row in rows:
        weeks[min(WEEKS - 1, (row.created_at - start) // WEEK_MS)].append(row.risk)
    return [
        {
            "week": start + number * WEEK_MS,
            "churn": sum(risks) / len(risks) if len(risks) >= LEAST else None,
            "n": len(risks),
        }
        for number, risks in enumerate(weeks)
    ]


def _count(connection: Connection, query: Any) -> int:
    return int(connection.execute(query).scalar_one())


def _bot_response_s(connection: Connection, site_id: str, since: int) -> float | None:
    """Median seconds from a contact's first message of a conversation to the assistant's answer to it."""
    asked = event.alias("asked")
    answered = event.alias("answered")
    first = (
        select(event.c.conversation_id, func.min(event.c.seq).label("seq"))
        .join(conversation, conversation.c.id == event.c.conversation_id)
        .where(
            conversation.c.site_id == site_id,
            conversation.c.created_at > since,
            event.c.sender == "bot",
            event.c.reply_to.is_not(None),
        )
        .group_by(event.c.conversation_id)
        .subquery()
    )
    waits = connection.execute(
        select(answered.c.at - asked.c.at)
        .join(first, and_(first.c.conversation_id == answered.c.conversation_id, first.c.seq == answered.c.seq))
        .join(asked, and_(asked.c.conversation_id == answered.c.conversation_id, asked.c.seq == answered.c.reply_to))
    ).scalars()
    middle = median([float(wait) for wait in waits], least=LEAST)
    return None if middle is None else middle / 1000


def _agent_response_s(connection: Connection, site_id: str, since: int) -> float | None:
    """Median seconds from the queueing of a task to the agent's first message."""
    waits = connection.execute(
        select(task.c.first_reply_at - task.c.queued_at).where(
            task.c.site_id == site_id,
            task.c.created_at > since,
            task.c.first_reply_at.is_not(None),
            task.c.reason != TAKEN_OVER,
        )
    ).scalars()
    middle = median([float(wait) for wait in waits], least=LEAST)
    return None if middle is None else middle / 1000


def _csat(connection: Connection, site_id: str, since: int) -> float | None:
    row = connection.execute(
        select(func.count(), func.avg(conversation.c.csat)).where(
            conversation.c.site_id == site_id, conversation.c.csat.is_not(None), conversation.c.updated_at > since
        )
    ).one()
    return float(row[1]) if row[0] >= LEAST else None
