"""The shape of a report, and the period that it covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, select

from assistant.errors import BadInput
from assistant.storage.tables import site

DAY_MS: Final = 86_400_000
LONGEST_MS: Final = 366 * DAY_MS
LEAST: Final = 5  # rows behind a mean, a median or a share


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` to before `until`, UTC ms; days are those of `zone`."""

    since: int
    until: int
    zone: ZoneInfo | None = None
    now: int | None = None  # what is known is known by then; None: by `until`

    @property
    def known_at(self) -> int:
        """The moment whose knowledge the report has."""
        return self.until if self.now is None else min(self.now, self.until)

    @property
    def before(self) -> Period:
        """The period of the same length that ended when this one began."""
        return Period(2 * self.since - self.until, self.since, self.zone, self.now)

    def day(self, at: int) -> str:
        """The day of a time, 'YYYY-MM-DD'."""
        return datetime.fromtimestamp(at / 1000, tz=self.zone or UTC).date().isoformat()

    def days(self) -> list[tuple[str, dict[str, int]]]:
        """The days of the period, each with the filter that shows it."""
        days: list[tuple[str, dict[str, int]]] = []
        zone = self.zone or UTC
        start = datetime.fromtimestamp(self.since / 1000, tz=zone).replace(hour=0, minute=0, second=0, microsecond=0)
        while (begins := round(start.timestamp() * 1000)) < self.until:
            following = (start.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
            ends = round(following.timestamp() * 1000)
            days.append((start.date().isoformat(), {"since": max(begins, self.since), "until": min(ends, self.until)}))
            start = following
        return days


@dataclass(frozen=True, slots=True)
class Table:
    """Columns with their units, and lines of as many cells."""

    columns: tuple[
        tuple[str, str], ...
    ]  # (name, unit): text, count, seconds, money, share, score, rating, change (of a score), points (of a hundred)
    rows: list[list[Any]] = field(default_factory=list)
    drill: list[dict[str, Any]] = field(default_factory=list)

    def add(self, cells: Sequence[Any], **drill: Any) -> None:
        """One more line."""
        self.rows.append(list(cells))
        self.drill.append(drill)


def period_of(connection: Connection, site_id: str, *, since: int | None, until: int | None, now: int) -> Period:
    """The period asked for, by default the last 30 days, in the shop's time zone. Raises BadInput `bad_period`."""
    settings = connection.execute(select(site.c.settings).where(site.c.id == site_id)).scalar_one()
    try:
        zone: ZoneInfo | None = ZoneInfo(str(settings.get("timezone", "UTC")))
    except (ZoneInfoNotFoundError, ValueError):
        zone = None
    end = now if until is None else until
    start = end - 30 * DAY_MS if since is None else since
    if not 0 <= start < end or end - start > LONGEST_MS:
        raise BadInput("a report covers up to 366 days, and ends after it begins", code="bad_period")
    return Period(start, end, zone, now)
