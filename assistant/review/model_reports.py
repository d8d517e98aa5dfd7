"""Reports on the risk model: does what it says come true, and has what it sees changed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, and_, select

from assistant.outcomes import streams
from assistant.review.statistics import wilson
from assistant.review.tables import DAY_MS, LEAST, Period, Table
from assistant.storage.tables import decision, outcome, score
from risk.adwin import changes

BINS: Final = 10
WEEK_MS: Final = 7 * DAY_MS
LEAST_DRIFT: Final = 50  # scores of a week, below which no drift is reported
ABSENCES: Final = ("inactive_30", "inactive_60", "inactive_90")


def calibration(connection: Connection, site_id: str, period: Period) -> Table:
    """By tenth of the score: the mean score beside the share of untreated customers who then stayed away, with its 95 % interval.

    One line a decile of [0, 1], over decisions of the period whose customer got no offer and no person, and about whom an absence
    (`inactive_*`, value 1 or 0) is known. Null below 5.
    """
    table = Table(
        (
            ("score", "text"),
            ("decisions", "count"),
            ("predicted", "score"),
            ("observed", "share"),
            ("low", "share"),
            ("high", "share"),
        )
    )
    rows = connection.execute(
        select(decision.c.score, outcome.c.value)
        .join(
            outcome,
            and_(outcome.c.decision_id == decision.c.id, outcome.c.type.in_(ABSENCES), outcome.c.value.is_not(None)),
        )
        .where(
            decision.c.site_id == site_id,
            decision.c.ts_decision >= period.since,
            decision.c.ts_decision < period.until,
            decision.c.score.is_not(None),
            decision.c.kind.not_in(("offer", "escalate")),
        )
    )
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for row in rows:
        bins[min(BINS - 1, int(row.score * BINS))].append((row.score, row.value > 0))
    for number, members in enumerate(bins):
        n = len(members)
        left = sum(stayed_away for _, stayed_away in members)
        low, high = wilson(left, n) if n >= LEAST else (None, None)
        table.add(
            [
                f"{number / BINS:.1f}–{(number + 1) / BINS:.1f}",
                n,
                sum(value for value, _ in members) / n if n else None,
                left / n if n >= LEAST else None,
                low,
                high,
            ],
            since=period.since,
            until=period.until,
        )
    return table


def drift(connection: Connection, site_id: str, period: Period) -> Table:
    """By week: the mean score, the share unavailable, and the population stability index against the first week; changes that
    ADWIN noticed in the stream of scores; what became known in the week, and changes noticed in that stream.

    Streams hold one value a conversation (`assistant.outcomes.streams`); `left` is the share of untreated customers whose 30 days
    ended in the week without an order, null below 5. PSI = Σ (p − q) · ln(p / q) over tenths of the score, with half a count added
    to each so that it is finite; above 0.2 is commonly read as a change that matters. Null for weeks with fewer than 50 scores.
    """
    table = Table(
        (
            ("week", "text"),
            ("scores", "count"),
            ("churn", "score"),
            ("unavailable", "share"),
            ("psi", "score"),
            ("changes", "count"),
            ("labels", "count"),
            ("left", "share"),
            ("label_changes", "count"),
        )
    )
    weeks: dict[int, list[float | None]] = {}
    rows = connection.execute(
        select(score.c.created_at, score.c.churn)
        .join(decision, and_(decision.c.conversation_id == score.c.conversation_id, decision.c.seq == score.c.seq))
        .where(decision.c.site_id == site_id, score.c.created_at >= period.since, score.c.created_at < period.until)
    )
    for row in rows:
        weeks.setdefault((row.created_at - period.since) // WEEK_MS, []).append(row.churn)
    spoken = streams.scores(connection, site_id, since=period.since, until=period.until)
    known_labels = [
        (at, value) for at, value, _ in streams.labels(connection, site_id, since=period.since, until=period.until)
    ]
    moved, turned = _noticed(spoken, period), _noticed(known_labels, period)
    left: dict[int, list[float]] = {}
    for at, value in known_labels:
        left.setdefault((at - period.since) // WEEK_MS, []).append(value)
    base: Sequence[float] | None = None
    for number in range(-(-(period.until - period.since) // WEEK_MS)):
        scores = weeks.get(number, [])
        known = [value for value in scores if value is not None]
        enough = len(known) >= LEAST_DRIFT
        index = psi(base, known) if enough and base is not None else None
        if enough and base is None:
            base = known
        begins = period.since + number * WEEK_MS
        table.add(
            [
                period.day(begins),
                len(scores),
                sum(known) / len(known) if len(known) >= LEAST else None,
                1 - len(known) / len(scores) if len(scores) >= LEAST else None,
                index,
                moved[number],
                len(came := left.get(number, [])),
                sum(came) / len(came) if len(came) >= LEAST else None,
                turned[number],
            ],
            since=begins,
            until=min(begins + WEEK_MS, period.until),
        )
    return table


def _noticed(stream: streams.Stream, period: Period) -> Counter[int]:
    """How many changes of a stream were noticed in each week."""
    found = changes([value for _, value in stream])
    return Counter((stream[change.noticed][0] - period.since) // WEEK_MS for change in found)


def psi(base: Sequence[float], now: Sequence[float]) -> float:
    """The population stability index of two samples of scores in [0, 1]."""
    p, q = _shares(now), _shares(base)
    return sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))


def _shares(scores: Sequence[float]) -> list[float]:
    counts = [0.5] * BINS
    for value in scores:
        counts[min(BINS - 1, int(value * BINS))] += 1
    total = sum(counts)
    return [count / total for count in counts]
