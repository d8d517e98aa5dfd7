"""When people are there. Pure.

`site.settings["hours"]`: {"mon": [["09:00", "12:30"], ["13:30", "18:00"]], …, "closed": ["2026-12-25"]}, in the site's
`timezone`. A weekday that is not named is closed; without `hours` somebody is always there. "24:00" is the end of a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60
LOOK_AHEAD_DAYS: Final = 60

Span = tuple[int, int]  # minutes of the day, from and before


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours: spans of each weekday from Monday, and single days that are closed."""

    week: tuple[tuple[Span, ...], ...]
    closed: frozenset[date]
    zone: ZoneInfo | None = None  # None: UTC

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self | None:
        """The hours of a site's settings; None when it has none. Raises ValueError, naming what is wrong."""
        given = settings.get("hours")
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise ValueError("hours: a mapping of weekdays to spans")
        unknown = set(given) - {*WEEKDAYS, "closed"}
        if unknown:
            raise ValueError(f"hours: unknown {', '.join(sorted(unknown))}; known: {', '.join(WEEKDAYS)}, closed")
        try:
            zone = ZoneInfo(str(settings.get("timezone", "UTC")))
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("timezone: not a known time zone") from None
        week = tuple(_spans_of(day, given.get(day, [])) for day in WEEKDAYS)
        try:
            closed = frozenset(date.fromisoformat(day) for day in given.get("closed", ()))
        except (TypeError, ValueError):
            raise ValueError("hours: closed days are dates, YYYY-MM-DD") from None
        return cls(week, closed, zone)

    def is_open(self, at: int) -> bool:
        """Whether somebody is there at `at`, UTC ms."""
        local = datetime.fromtimestamp(at / 1000, tz=self.zone or UTC)
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self._spans(local.date()))

    def next_opening(self, at: int) -> int | None:
        """When somebody is there again, UTC ms; `at` itself when it is open, None when not within 60 days."""
        if self.is_open(at):
            return at
        zone = self.zone or UTC
        today = datetime.fromtimestamp(at / 1000, tz=zone).date()
        for ahead in range(LOOK_AHEAD_DAYS + 1):
            day = today + timedelta(days=ahead)
            for start, _ in sorted(self._spans(day)):
                opens = datetime.combine(day, time(start // 60, start % 60), tzinfo=zone)
                opens_at = round(opens.timestamp() * 1000)
                if opens_at > at:
                    return opens_at
        return None

    def _spans(self, day: date) -> tuple[Span, ...]:
        return () if day in self.closed else self.week[day.weekday()]


def _spans_of(day: str, given: Any) -> tuple[Span, ...]:
    if not isinstance(given, list):
        raise ValueError(f"hours: {day} needs a list of spans")
    return tuple(_span(day, span) for span in given)


def _span(day: str, given: Any) -> Span:
    try:
        start, end = (_minutes(text) for text in given)
    except (TypeError, ValueError):
        raise ValueError(f'hours: {day} needs spans like ["09:00", "18:00"]') from None
    if not start < end:
        raise ValueError(f"hours: {day} ends before it begins")
    return start, end


def _minutes(text: str) -> int:
    hour, minute = (int(part) for part in text.split(":"))
    if not (0 <= minute < 60 and 0 <= hour * 60 + minute <= DAY_MINUTES):
        raise ValueError(text)
    return hour * 60 + minute
