"""Dates, money and order states as a customer reads them, in Chinese and English. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assistant.outcomes.money import WHOLE

# Written out, so that the machine's locale has no say.
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_SYMBOLS: Final = {
    "EUR": "€",
    "USD": "$",
    "GBP": "£",
    "CNY": "¥",
    "JPY": "¥",
    "HKD": "HK$",
    "TWD": "NT$",
    "KRW": "₩",
    "INR": "₹",
}
_STATES: Final = {
    "placed": {"en": "received, being prepared", "zh": "已下单，正在备货"},
    "paid": {"en": "paid, being prepared", "zh": "已付款，正在备货"},
    "shipped": {"en": "on its way", "zh": "已发货，正在路上"},
    "delivered": {"en": "delivered", "zh": "已送达"},
    "cancelled": {"en": "cancelled", "zh": "已取消"},
    "returned": {"en": "returned", "zh": "已退回"},
}


def date(at_ms: int, language: str, timezone: str = "UTC") -> str:
    """The day of a time in UTC milliseconds: "24 November 2026", "2026年11月24日". An unknown time zone counts as UTC."""
    try:
        zone: ZoneInfo | None = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = None
    day = datetime.fromtimestamp(at_ms / 1000, tz=zone or UTC)
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def money(minor: int, currency: str) -> str:
    """An amount in minor units: "€12.50", "¥300", "CHF 12.50"."""
    sign = "-" if minor < 0 else ""
    amount = f"{abs(minor):,}" if currency in WHOLE else f"{abs(minor) // 100:,}.{abs(minor) % 100:02d}"
    symbol = _SYMBOLS.get(currency)
    return f"{sign}{symbol}{amount}" if symbol else f"{sign}{currency} {amount}"


def order_state(state: str, language: str) -> str:
    """An order's state in words; one that is not known is shown as it is."""
    return _STATES.get(state, {}).get(language, state)


def duration(seconds: int, language: str) -> str:
    """A time of waiting in its largest unit, never less than a minute: "1 minute", "2 hours", "5分钟"."""
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        amount, unit = minutes, "minute"
    else:
        amount, unit = round(minutes / 60), "hour"
    if language == "zh":
        return f"{amount}{'分钟' if unit == 'minute' else '小时'}"
    return f"{amount} {unit}{'' if amount == 1 else 's'}"


def listing(items: list[str], language: str) -> str:
    """ "a, b and c", "a、b和c"."""
    if len(items) < 2:
        return "".join(items)
    comma, last = ("、", "和") if language == "zh" else (", ", " and ")
    return comma.join(items[:-1]) + last + items[-1]
