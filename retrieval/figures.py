"""Numbers with what they count, and links, found in English and Chinese text. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

Unit = Literal["percent", "money", "time", ""]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with what it counts."""

    value: Decimal
    unit: Unit

    def __str__(self) -> str:
        return f"{self.value.normalize():f} {self.unit}".strip()


_DIGITS = {"零": 0, "〇": 0, "一": 1, "壹": 1, "二": 2, "两": 2, "贰": 2, "三": 3, "叁": 3, "四": 4, "肆": 4, "五": 5, "伍": 5,
           "六": 6, "陆": 6, "七": 7, "柒": 7, "八": 8, "捌": 8, "九": 9, "玖": 9}  # fmt: skip
_TENS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1_000, "仟": 1_000}
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TIES = "twenty thirty forty fifty sixty seventy eighty ninety"
_WORDS = {word: value for value, word in enumerate(_ONES.split())} | {
    word: 10 * value for value, word in enumerate(_TIES.split(), start=2)
}
_HUNDREDS = {"hundred": 100, "thousand": 1_000}

_PERCENT = r"%|％|percent|per\s*cent|pct"
_MONEY = r"€|\$|£|¥|￥|eur|usd|gbp|cny|rmb|euros?|dollars?|pounds?|yuan|bucks?|cents?|元|块钱|块|人民币|欧元|美元|英镑|角|毛钱"
_TIME = (
    r"seconds?|minutes?|mins?|hours?|days?|weeks?|months?|years?|business\s+days?|working\s+days?"
    r"|秒|分钟|小时|个?工作日|天|日|周|个?星期|个?月|年"
)
_NUMBER = r"\d+(?:[.,]\d+)*"
_ENGLISH = rf"(?:{'|'.join([*_WORDS, *_HUNDREDS])})(?:[\s-]+(?:and\s+)?(?:{'|'.join([*_WORDS, *_HUNDREDS])}))*"
_CHINESE = rf"[{''.join([*_DIGITS, *_TENS])}万]+"
_FIGURE = re.compile(
    rf"(?P<before>(?:€|\$|£|¥|￥|\b(?:eur|usd|gbp|cny|rmb))\s*)?(?P<digits>{_NUMBER})\s*(?:-\s*)?(?P<after>{_PERCENT}|{_MONEY}|{_TIME}|折)?",
    re.IGNORECASE,
)
_SPELLED = re.compile(rf"\b(?P<words>{_ENGLISH})[\s-]+(?P<after>{_PERCENT}|{_MONEY}|{_TIME})(?![a-z])", re.IGNORECASE)
_HAN_FIGURE = re.compile(
    rf"(?:(?P<share>百分之)(?P<of>{_CHINESE})|(?P<words>{_CHINESE})\s*(?P<after>折|{_MONEY}|{_TIME}|成))"
)

_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]{1,10}:)?//[^\s<>\"'，。！？（）]+|\bwww\.[^\s<>\"'，。！？（）]+|\b(?:mailto|tel|javascript|data):[^\s]+"
    r"|[\w.+-]+@[\w-]+\.[\w.-]+|\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|co|cn|de|uk|eu|shop|store|info|biz|xyz|top|link|ly|me|app|example)\b(?:/[^\s]*)?",
    re.IGNORECASE,
)  # fmt: skip


def figures(text: str) -> set[Figure]:
    """Numbers in digits, and spelled-out numbers that count percent, money or time, in English and Chinese."""
    found: set[Figure] = set()
    rest = _LINK.sub(" ", text)
    for match in _FIGURE.finditer(rest):
        value = _decimal(match["digits"])
        if value is not None:
            found.add(_figure(value, match["after"] or match["before"] or ""))
    for match in _SPELLED.finditer(rest):
        found.add(_figure(Decimal(_spelled(match["words"])), match["after"]))
    for match in _HAN_FIGURE.finditer(rest):
        if match["share"]:
            found.add(Figure(Decimal(_chinese(match["of"])), "percent"))
        else:
            found.add(_figure(Decimal(_chinese(match["words"])), match["after"]))
    return found


def links(text: str) -> set[str]:
    """Everything a screen could turn into a link: addresses, domains, e-mail; without trailing punctuation."""
    return {match.group().rstrip(".,;:!?)]}'\"") for match in _LINK.finditer(text)}


def _figure(value: Decimal, sign: str) -> Figure:
    sign = sign.strip().lower()
    if sign == "折":  # 八折 = 80 % of the price; also written 85折
        return Figure((Decimal(100) - value * (10 if value < 10 else 1)).normalize(), "percent")
    if sign == "成":
        return Figure((value * 10).normalize(), "percent")
    for unit, pattern in (("percent", _PERCENT), ("money", _MONEY), ("time", _TIME)):
        if sign and re.fullmatch(pattern, sign, re.IGNORECASE):
            return Figure(value.normalize(), unit)  # type: ignore[arg-type]  # one of the three
    return Figure(value.normalize(), "")


def _decimal(digits: str) -> Decimal | None:
    """ "1,299.50" and "1.299,50" alike; "2026.11.24" is no amount."""
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:
        digits = digits.replace("," if point > comma else ".", "").replace(",", ".")
    elif comma >= 0:
        digits = digits.replace(",", "" if len(digits) - comma == 4 else ".")
    try:
        return Decimal(digits)
    except InvalidOperation:
        return None


def _spelled(words: str) -> int:
    total, part = 0, 0
    for word in re.split(r"[\s-]+", words.lower()):
        if word in _WORDS:
            part += _WORDS[word]
        elif word in _HUNDREDS:
            part = max(part, 1) * _HUNDREDS[word]
    return total + part


def _chinese(words: str) -> int:
    if not any(sign in _TENS or sign == "万" for sign in words):
        return int("".join(str(_DIGITS[sign]) for sign in words))  # 九五折: digit by digit
    total, part, digit = 0, 0, 0
    for sign in words:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
        elif sign == "万":
            total, part, digit = (total + part + digit) * 10_000, 0, 0
        else:
            part += (digit or 1) * _TENS[sign]
            digit = 0
    return total + part + digit
