"""What says who somebody is, taken out of texts that leave the house: pure, and the same for English and Chinese.

Patterns only: e-mail addresses, telephone, card and account numbers, identity cards, postal addresses, order and parcel numbers,
and accounts of messengers. What has a check digit must pass it; else a doubtful number is rather taken out than left in. Names are
not found: that takes a model, and whoever hands texts to strangers reads them first.

Full-width forms are read as the plain ones. Each pattern takes time in proportion to the text, whatever the text is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

_Find = Callable[[str], Iterator[tuple[int, int]]]

_PLAIN: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20
}  # full-width to plain, one to one

_EMAIL: Final = re.compile(
    r"(?<![A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![^\W_-])"
)
_IBAN: Final = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])"
)
_IDENTITY: Final = re.compile(r"(?<!\d)\d{17}[\dXx](?![0-9A-Za-z])")
_CARDS: Final = (
    re.compile(r"(?<![\d-])(?:\d{4}[ -]){4}\d{3}(?![\d-])"),
    re.compile(r"(?<![\d-])(?:(?:\d{4}[ -]){3}\d{4}|3\d{3}[ -]\d{6}[ -]\d{4,5})(?![\d-])"),
    re.compile(r"(?<![\d-])\d{13,19}(?![\d-])"),
)

_ORDER_WORDS: Final = (
    r"(?:order|parcel|package|tracking|shipment|invoice|delivery)(?: ?(?:number|no\.?|nr\.?|code|id))?|"
    r"订单(?:编号|号码|号)?|运单号?|快递单?号|物流单?号|单号|发票号码?"
)
_ORDER: Final = re.compile(
    rf"(?:(?:{_ORDER_WORDS})(?: ?(?:is|was|:|#|=|是|为))*[ #]{{0,3}})"
    r"(?P<gone>(?=[A-Za-z-]{0,12}\d)[A-Za-z0-9][A-Za-z0-9-]{3,31})(?![A-Za-z0-9-])",
    re.IGNORECASE,
)
_ACCOUNT: Final = re.compile(
    r"(?:(?:wechat|weixin|whatsapp|telegram|skype|微信|加微|qq)(?: ?(?:id|number|账号|号码|号))?(?: ?(?:is|:|是|为))* ?)"
    r"(?P<gone>@?(?=[\w.-]{0,31}\d)[A-Za-z0-9][A-Za-z0-9_.-]{4,31})",
    re.IGNORECASE,
)

_PHONES: Final = (
    re.compile(r"(?<![\w+])(?:\+|00)[1-9]\d{0,2}(?:[ ./-]?\(?\d{1,5}\)?){2,6}(?!\d)"),  # with the country's code
    re.compile(r"(?<!\d)1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)"),  # China, mobile
    re.compile(
        r"(?<!\d)(?:0\d{2,3}[ -]?\d{7,8}|[48]00[ -]?\d{3,4}[ -]?\d{3,4})(?:[ -]\d{1,6})?(?!\d)"
    ),  # China, fixed and 400
    re.compile(r"(?<!\d)(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?!\d)"),  # North America
    re.compile(r"(?<![\d.,])\(?0[1-9]\d{1,4}\)?[ /-]\d{3,8}(?:[ -]\d{2,6}){0,3}(?!\d)"),  # Europe, with the leading 0
    re.compile(r"(?<!\d)0[1-9]\d{8,10}(?!\d)"),  # the same in one piece
)
_CALLED: Final = re.compile(
    r"(?:(?:phone|mobile|telephone|tel|call me(?: back)? (?:at|on)|电话|手机|座机|号码|致电)"
    r"(?:number|no\.?|号码|号|[ .:#]|is|at|on|是|为){0,6})"
    r"(?P<gone>\d(?:[ -]?\d){6,14})(?!\d)",
    re.IGNORECASE,
)

_STREETS: Final = (
    "street|st|road|rd|avenue|ave|lane|ln|drive|dr|boulevard|blvd|way|court|ct|place|pl|square|sq|terrace|crescent|close|highway|"
    "hwy|parkway"
)
_TOWN: Final = r"[A-Z][a-z'’.-]{1,29}(?: [A-Z][a-z'’.-]{1,29}){0,2}"
_STREET: Final = re.compile(
    rf"(?<![\w.,])\d{{1,5}}[A-Za-z]?,?(?: [A-Z][\w'’.-]{{0,29}}){{1,4}}? (?i:{_STREETS})\b\.?"
    r"(?:,? (?:(?i:apt|apartment|flat|suite|unit|floor)\.?|#) ?\w{1,6})?"
    rf"(?:,? {_TOWN})?"
    r"(?:,? [A-Z]{2},? \d{5}(?:-\d{4})?|,? [A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}\b|,? \d{5}(?:-\d{4})?\b)?"  # the postcode
)
_BOX: Final = re.compile(r"(?i:p\.? ?o\.? ?box) \d{1,8}")
_GERMAN: Final = re.compile(
    r"\b[A-ZÄÖÜ][\wäöüß-]{1,29}(?:straße|strasse|str\.|weg|allee|platz|gasse) \d{1,4} ?[a-z]?\b"
    r"(?:,? \d{5} [A-ZÄÖÜ][\wäöüß-]{1,29})?"
)

_NUMERAL: Final = r"[\d一二三四五六七八九十百零甲乙丙A-Za-z-]{1,6}"
_UNIT: Final = re.compile(rf"{_NUMERAL} ?(?:号楼?院?|弄|栋|幢|座|单元|层|楼|室|户)")
_HOUSE: Final = re.compile(
    rf"(?:路|街|大道|巷|弄|胡同|村|小区|花园|公寓|大厦|广场|苑) ?{_NUMERAL} ?(?:号楼?院?|弄|栋|幢|座|单元|室)"
)
_RUN: Final = re.compile(r"[\u4e00-\u9fffA-Za-z0-9 -]{4,}")  # between marks of punctuation
_LEAD: Final = re.compile(r"[寄送发](?:到|给|至|往)|地址(?:改[成为]|[是为])?|住在|搬到|位于|[在到至是成为]")
_BEFORE: Final = 30  # signs that province, town and district may take before the street
_BETWEEN: Final = 10  # and between the house and the flat


def redact(text: str) -> str:
    """The text with placeholders like [email] for what names a person. What was redacted stays as it is."""
    while True:  # what stood beside something else may only show when that is gone
        before = text
        for name, find in _RULES:
            text = _replace(text, name, find)
        if text == before:
            return text


def _replace(text: str, name: str, find: _Find) -> str:
    pieces: list[str] = []
    at = 0
    for start, end in find(text.translate(_PLAIN)):
        pieces += (text[at:start], f"[{name}]")
        at = end
    return "".join((*pieces, text[at:]))


def _by(pattern: re.Pattern[str], holds: Callable[[str], bool] = bool) -> _Find:
    """Where `pattern` (its group `gone`, if it has one) is found and holds."""
    group = "gone" if "gone" in pattern.groupindex else 0

    def find(plain: str) -> Iterator[tuple[int, int]]:
        return (found.span(group) for found in pattern.finditer(plain) if holds(found[group]))

    return find


def _chinese_addresses(plain: str) -> Iterator[tuple[int, int]]:
    """A street with a number, with the places said before it and the flat said after it."""
    for run in _RUN.finditer(plain):
        house = _HOUSE.search(run[0])
        if house is None:
            continue
        start = max(0, house.start() - _BEFORE)
        for lead in _LEAD.finditer(run[0], start, house.start()):
            start = lead.end()
        end = house.end()
        for unit in _UNIT.finditer(run[0], end):
            if unit.start() - end > _BETWEEN:
                break
            end = unit.end()
        yield run.start() + start, run.start() + end


def _is_card(number: str) -> bool:
    """Luhn's check, ISO/IEC 7812."""
    digits = [int(sign) for sign in number if sign.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _is_iban(number: str) -> bool:
    """Remainder 1 by 97, ISO 13616."""
    signs = number.replace(" ", "")
    return int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1


def _is_identity(number: str) -> bool:
    """The check sign of an identity card of the People's Republic, GB 11643."""
    weighted = sum(int(sign) * 2 ** (17 - n) for n, sign in enumerate(number[:17]))
    return "10X98765432"[weighted % 11] == number[17].upper()


def _is_phone(number: str) -> bool:
    return 7 <= sum(sign.isdigit() for sign in number) <= 15


_RULES: Final[tuple[tuple[str, _Find], ...]] = (
    ("email", _by(_EMAIL)),
    ("order", _by(_ORDER)),
    ("account", _by(_ACCOUNT)),
    ("identity", _by(_IDENTITY, _is_identity)),
    ("iban", _by(_IBAN, _is_iban)),
    *(("card", _by(pattern, _is_card)) for pattern in _CARDS),
    *(("phone", _by(pattern, _is_phone)) for pattern in _PHONES),
    ("phone", _by(_CALLED)),
    ("address", _by(_STREET)),
    ("address", _by(_GERMAN)),
    ("address", _by(_BOX)),
    ("address", _chinese_addresses),
)
