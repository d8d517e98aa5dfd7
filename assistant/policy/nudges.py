"""When the chat speaks first: a site's rules by page, time and risk. Pure.

`site.settings["proactive"]`: `{"rules": [{"name": "cart", "page": "/cart*", "after": 30, "risk": "elevated", "text": {"en": "…"}}],
"every_days": 7}`. The rules stay on the server: the browser says where it is and how long, and is told a text or nothing, so that
nobody who reads along learns the band of a customer, or that a rule asks for one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

BANDS: Final = ("low", "elevated", "high")
EVERY_DAYS: Final = 7.0
LONGEST_WAIT_S: Final = 3600
LONGEST_TEXT: Final = 300
MOST_RULES: Final = 50


@dataclass(frozen=True, slots=True)
class Rule:
    """Speaks on pages whose path fits `page` (`*` for any characters), `after` seconds, to customers of band `risk` or above.

    `risk` None: to everybody. `text` by language; the first is for all others.
    """

    name: str
    page: str
    after: int
    risk: str | None
    text: Mapping[str, str]

    def fits(self, path: str) -> bool:
        """Whether the rule is about a page."""
        return re.fullmatch(".*".join(re.escape(part) for part in self.page.split("*")), path, re.DOTALL) is not None

    def allows(self, band: str | None) -> bool:
        """Whether it speaks to a customer of this band; one whose band is not known is spoken to only where none is asked for."""
        return self.risk is None or (band in BANDS and BANDS.index(band) >= BANDS.index(self.risk))

    def in_language(self, locale: str) -> str:
        """The text in a language, or the first there is."""
        return self.text.get(locale) or self.text.get(re.split("[-_]", locale)[0]) or next(iter(self.text.values()))


@dataclass(frozen=True, slots=True)
class Nudging:
    """A site's rules, in order, and how many days a customer is left alone afterwards."""

    rules: tuple[Rule, ...]
    every_days: float = EVERY_DAYS

    @classmethod
    def from_settings(cls, given: Any) -> Self:
        """Reads what stands under `proactive`. Raises ValueError, naming what is wrong."""
        if not isinstance(given, Mapping) or not isinstance(given.get("rules"), list):
            raise ValueError('proactive: {"rules": [...]}')
        unknown = set(given) - {"rules", "every_days"}
        if unknown:
            raise ValueError(f"proactive: unknown {', '.join(sorted(map(str, unknown)))}; known: rules, every_days")
        every = given.get("every_days", EVERY_DAYS)
        if isinstance(every, bool) or not isinstance(every, int | float) or not 0 < every <= 365:
            raise ValueError("proactive: every_days lies above 0, up to 365")
        if not 0 < len(given["rules"]) <= MOST_RULES:
            raise ValueError(f"proactive: 1 to {MOST_RULES} rules")
        return cls(tuple(_rule(number, one) for number, one in enumerate(given["rules"], 1)), float(every))


def choose(rules: Sequence[Rule], *, page: str, waited_s: int, band: str | None) -> tuple[Rule | None, int | None]:
    """The first rule that speaks now, and, without one, after how many seconds on the page to ask again.

    When to ask depends on page and time alone: it tells nothing of the customer.
    """
    here = [rule for rule in rules if rule.fits(page)]
    speaks = next((rule for rule in here if rule.after <= waited_s and rule.allows(band)), None)
    if speaks is not None:
        return speaks, None
    return None, min((rule.after for rule in here if rule.after > waited_s), default=None)


def _rule(number: int, given: Any) -> Rule:
    where = f"proactive: rule {number}"
    if not isinstance(given, Mapping):
        raise ValueError(f"{where} is no object")
    unknown = set(given) - {"name", "page", "after", "risk", "text"}
    if unknown:
        raise ValueError(
            f"{where}: unknown {', '.join(sorted(map(str, unknown)))}; known: name, page, after, risk, text"
        )
    page, after, risk, text = given.get("page", "*"), given.get("after", 0), given.get("risk"), given.get("text")
    if not isinstance(page, str) or not 0 < len(page) <= 200:
        raise ValueError(f"{where}: page is a path, with * for any characters")
    if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after <= LONGEST_WAIT_S:
        raise ValueError(f"{where}: after is a number of seconds, up to {LONGEST_WAIT_S}")
    if risk is not None and risk not in BANDS:
        raise ValueError(f"{where}: risk is one of {', '.join(BANDS)}")
    if not isinstance(text, Mapping) or not text or not all(_is_text(one) for one in text.values()):
        raise ValueError(f'{where}: text by language, as {{"en": "…"}}, up to {LONGEST_TEXT} characters each')
    return Rule(str(given.get("name", number))[:80], page, after, risk, dict(text))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and len(value) <= LONGEST_TEXT
