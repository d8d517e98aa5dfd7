"""Reports on what the assistant is worth: customers kept against the holdout, offers with what they cost and what they change."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from assistant.review.statistics import LEAST_GROUP, Z95, Difference, difference, wilson
from assistant.review.tables import DAY_MS, LEAST, Period, Table
from assistant.storage.tables import contact, decision, orders, outcome, wallet_entry

WINDOW_MS: Final = 30 * DAY_MS  # bought again within so long of the first decision
LAG_MS: Final = 3 * DAY_MS  # orders may be reported so late
STAYED: Final = "inactive_30"  # the outcome that says who did not buy within 30 days


def bought_again(site_id: str, *, since: int, closed: int) -> Select[tuple[int, int, int]]:
    """A line a customer: `since`, the time of the first decision after `since` and up to `closed`; `held_out` and `again`, 1 or 0.

    Everyone counts by allocation (intention to treat), once. Bought again: an order, or a purchase outcome, within 30 days.
    """
    first = (
        select(
            decision.c.customer_key,
            func.min(decision.c.ts_decision).label("since"),
            func.max(case((decision.c.holdout, 1), else_=0)).label("held_out"),
        )
        .where(decision.c.site_id == site_id, decision.c.ts_decision > since)
        .group_by(decision.c.customer_key)
        .having(func.min(decision.c.ts_decision) <= closed)
        .subquery()
    )

    def within(at: ColumnElement[int]) -> ColumnElement[bool]:
        return and_(at > first.c.since, at <= first.c.since + WINDOW_MS)

    ordered = (
        select(orders.c.id)
        .join(contact, and_(contact.c.site_id == site_id, contact.c.external_id == orders.c.external_customer_id))
        .where(
            orders.c.site_id == site_id,
            contact.c.customer_key == first.c.customer_key,
            orders.c.status != "cancelled",
            within(orders.c.ts_event.expression),
        )
        .exists()
    )
    reported = (
        select(outcome.c.id)
        .where(
            outcome.c.site_id == site_id,
            outcome.c.type == "purchase",
            outcome.c.customer_key == first.c.customer_key,
            within(outcome.c.ts_event.expression),
        )
        .exists()
    )
    return select(first.c.since, first.c.held_out, case((or_(ordered, reported), 1), else_=0).label("again"))


def retention(connection: Connection, site_id: str, period: Period) -> Table:
    """By month of a customer's first decision in the period, and over all: who bought again in 30 days, treated against holdout.

    The lead in percentage points with its 95 % interval; null below 30 customers a group. Customers whose 30 days are not over, or
    whose orders may not be reported yet, are left out.
    """
    table = Table(
        (
            ("month", "text"),
            ("treated", "count"),
            ("treated_again", "share"),
            ("held_out", "count"),
            ("held_out_again", "share"),
            ("lead", "points"),
            ("low", "points"),
            ("high", "points"),
        )
    )
    closed = min(period.until - 1, period.known_at - WINDOW_MS - LAG_MS)
    found: defaultdict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    starts: dict[str, list[int]] = {}
    for row in connection.execute(bought_again(site_id, since=period.since - 1, closed=closed)):
        month = period.day(row.since)[:7]
        found[month][row.held_out, row.again] += 1
        found["all"][row.held_out, row.again] += 1
        starts.setdefault(month, []).append(row.since)
    for month in sorted(found, key=lambda name: (name != "all", name)):
        counts = found[month]
        (treated, again), (held, held_again) = ((counts[arm, 0] + counts[arm, 1], counts[arm, 1]) for arm in (0, 1))
        lead = difference(again, treated, held_again, held)
        within = starts.get(month, [period.since, period.until - 1])
        table.add(
            [month, treated, _share(again, treated), held, _share(held_again, held), *_points(lead)],
            since=min(within) if month == "all" else _start_of_day(period, min(within)),
            until=max(within) + 1,
        )
    return table


def offers(connection: Connection, site_id: str, period: Period) -> Table:
    """By offer: shown, answered, what it costs, the share accepted, and by how much it raises the share who buy within 30 days.

    `uplift` compares decisions that made the offer with decisions that could have and did not, each weighted by the inverse of its
    logged probability (self-normalised, Hájek 1971), in percentage points with a 95 % interval from the weighted variances.
    Decisions forced by a rule are left out, since nothing was drawn. Null below 30 of either kind whose 30 days are over.
    """
    table = Table(
        (
            ("offer", "text"),
            ("shown", "count"),
            ("accepted", "count"),
            ("declined", "count"),
            ("spent", "money"),
            ("accept_rate", "share"),
            ("low", "share"),
            ("high", "share"),
            ("judged", "count"),
            ("uplift", "points"),
            ("uplift_low", "points"),
            ("uplift_high", "points"),
        )
    )
    states: defaultdict[str, Counter[str]] = defaultdict(Counter)
    spent: Counter[str] = Counter()
    entries = connection.execute(
        select(wallet_entry.c.offer_id, wallet_entry.c.state, wallet_entry.c.amount).where(
            wallet_entry.c.site_id == site_id, wallet_entry.c.at >= period.since, wallet_entry.c.at < period.until
        )
    )
    for entry in entries:
        states[entry.offer_id][entry.state] += 1
        if entry.state == "accepted":
            spent[entry.offer_id] += entry.amount
    drawn = _drawn(connection, site_id, period)
    for offer in sorted(states, key=lambda name: (-states[name].total(), name)):
        shown, accepted = states[offer]["shown"], states[offer]["accepted"]
        enough = shown >= LEAST
        low, high = wilson(min(accepted, shown), shown) if enough else (None, None)
        made, could = drawn.get(f"offer:{offer}", ([], []))
        table.add(
            [
                offer,
                shown,
                accepted,
                states[offer]["declined"],
                spent[offer],
                accepted / shown if enough else None,
                low,
                high,
                len(made) + len(could),
                *_points(weighted_difference(made, could)),
            ],
            action=f"offer:{offer}",
            since=period.since,
            until=period.until,
        )
    return table


Weighted = list[tuple[float, float]]  # (weight, reward) of a decision


def weighted_difference(a: Weighted, b: Weighted) -> Difference | None:
    """The mean of a less that of b, both self-normalised; None when one has fewer than `LEAST_GROUP` members."""
    if min(len(a), len(b)) < LEAST_GROUP:
        return None
    (mean_a, variance_a), (mean_b, variance_b) = _mean(a), _mean(b)
    half = Z95 * math.sqrt(variance_a + variance_b)
    value = mean_a - mean_b
    return Difference(value, value - half, value + half, len(a) + len(b))


def _mean(rows: Weighted) -> tuple[float, float]:
    total = sum(weight for weight, _ in rows)
    mean = sum(weight * reward for weight, reward in rows) / total
    return mean, sum((weight * (reward - mean)) ** 2 for weight, reward in rows) / total**2


def _drawn(connection: Connection, site_id: str, period: Period) -> dict[str, tuple[Weighted, Weighted]]:
    """By offer: decisions that made it, and those that could have; each with its weight and whether the customer bought."""
    later = outcome.alias("later")
    rows = connection.execute(
        select(decision.c.action, decision.c.eligible, decision.c.probabilities, decision.c.overrides, outcome.c.value)
        .join(outcome, and_(outcome.c.decision_id == decision.c.id, outcome.c.type == STAYED))
        .where(
            decision.c.site_id == site_id,
            decision.c.ts_decision >= period.since,
            decision.c.ts_decision < period.until,
            outcome.c.value.is_not(None),
            ~select(later.c.id).where(later.c.supersedes == outcome.c.id).exists(),
        )
    )
    found: dict[str, tuple[Weighted, Weighted]] = {}
    for row in rows:
        if row.overrides:
            continue
        for action, probability in zip(row.eligible, row.probabilities, strict=False):
            if not action.startswith("offer:") or not 0 < probability < 1:
                continue
            made, could = found.setdefault(action, ([], []))
            reward = 1.0 - row.value
            if row.action == action:
                made.append((1 / probability, reward))
            else:
                could.append((1 / (1 - probability), reward))
    return found


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole >= LEAST else None


def _points(found: Difference | None) -> Sequence[float | None]:
    return (None,) * 3 if found is None else (100 * found.value, 100 * found.low, 100 * found.high)


def _start_of_day(period: Period, at: int) -> int:
    return max(period.since, at - at % DAY_MS)
