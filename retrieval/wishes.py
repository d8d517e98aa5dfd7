"""What a message that asks for a product wants: the thing itself, and what it may cost. Pure.

"Can you recommend a trekking backpack under 200 euro?" wants a trekking backpack. The words around it say that something is wanted,
not what, and would count against every product that does not carry them; an amount of money is a limit, and no word to be found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from retrieval.documents import Limit
from retrieval.readings import essence
from retrieval.text import STOPWORDS, tokens

ABOUT = 0.25  # how far from an amount "about" reaches, as a share of it

# Words with which people ask for things, whatever the thing is; as `tokens` gives them.
_ASKING = frozenset(
    """
    any anything something some like want need look looking search searching find found choose choosing pick recommend
    recommendation suggest suggestion advise advice show see get got buy purchase order sell selling carry stock offer
    available help thing stuff kind sort type one item product model option choice idea good great nice best better suitable
    right perfect proper decent cheap cheapest affordable budget price priced cost thank maybe perhaps also there here out
    after interest interested love prefer few let buying don take use used new shop store range much more most all us am
    should must give tell know wonder wondering i'd i'm i've we're we'd we've i'll what's where's gift present set
    推荐 推荐一下 求 求推荐 介绍 一下 一款 一个 一台 一把 一床 一套 一张 一只 一件 一条 几款 几个 有没有 有吗 想 想要 想买
    想找 要 买 找 看 看看 选 挑 帮 帮我 帮忙 给我 需要 适合 合适 好 好用 不错 便宜 哪 哪款 哪个 哪些 哪里 哪种 产品 商品
    东西 款 个 台 把 床 套 张 只 件 条 用 卖 有卖 出售 你家 店里 家里 求购 麻烦 谢谢 送 礼物 送礼 之类 预算 价格 价位 左右
    几 多少 里 吧 呢 建议 最好 会选 来 选项 点 点啥 啥
    """.split()  # noqa: SIM905 - reads as a list
)
_CONTRACTED = re.compile(r"(?<=[a-z])['’](?:m|d|s|t|re|ve|ll)\b")
# How a Chinese wish begins; cut off before words are, for jieba may join it with what follows ("想买个", "我要").
_OPENING = re.compile(
    r"(?:^|(?<=[,，。！？!?\s]))"
    r"(?:(?:请问|麻烦|帮我|给我|我们|我|咱们|你们|您|你|家里?|店里?|这里|这边|想要|想|需要|要|打算|准备|有没有|有|卖|买|找|看看|看|选|挑|求|推荐|一下"
    r"|[一两几][个款台把床套张只件条双]|(?<=[买找要选挑])[个款])\s*)+"
)
_CURRENCIES = {
    "EUR": ("eur", "euro", "euros", "€", "欧元", "欧"),
    "USD": ("usd", "dollar", "dollars", "bucks", "$", "美元", "美金"),
    "GBP": ("gbp", "pound", "pounds", "quid", "£", "英镑"),
    "CNY": ("cny", "rmb", "yuan", "¥", "￥", "人民币", "块钱", "元", "块"),
}
_CODES = {word: code for code, words in _CURRENCIES.items() for word in words}
_MONEY = "|".join(sorted(map(re.escape, _CODES), key=len, reverse=True))
_AMOUNT = re.compile(
    rf"(?P<before>{_MONEY})?\s*(?P<amount>(?<![\w.,])(?<![a-z]-)\d[\d,]*(?:\.\d+)?|(?<=[^\W\d_])(?<![a-z])\d[\d,]*(?:\.\d+)?)"
    rf"(?:\s*(?P<after>{_MONEY})(?![a-z]))?",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\s*(?:[a-z%°×\"″]|[升克斤米厘毫公人岁码号寸件瓦伏流片只个])", re.IGNORECASE)
_JOINT = re.compile(r"\s*(?:and|to|-|–|—|~|到|至)\s*", re.IGNORECASE)
_BEFORE = {
    "range": re.compile(r"\b(?:between|from)\s*$", re.IGNORECASE),
    "most": re.compile(
        r"(?:\b(?:(?:for\s+)?(?:under|below|less\s+than|cheaper\s+than)|up\s+to|at\s+most|(?:no|not)\s+more\s+than|not\s+over"
        r"|max(?:imum)?\.?(?:\s+of)?|within|budget(?:\s+(?:is|of))?:?)|不超过|不多于|低于|少于|小于|最多|预算(?:是|为|在)?)\s*$",
        re.IGNORECASE,
    ),
    "least": re.compile(
        r"(?:\b(?:over|above|more\s+than|at\s+least|starting\s+(?:at|from))|高于|超过|大于|至少|不低于)\s*$",
        re.IGNORECASE,
    ),
    "about": re.compile(r"(?:\b(?:around|about|roughly|approximately|circa|some)|大概|大约|约)\s*$", re.IGNORECASE),
}
_AFTER = {
    "most": re.compile(
        r"\s*(?:or\s+(?:less|under|below|cheaper)|max(?:imum)?\b|tops\b|以内|以下|之内|内)", re.IGNORECASE
    ),
    "least": re.compile(r"\s*(?:or\s+more|upwards|\+|以上|起)", re.IGNORECASE),
    "about": re.compile(r"\s*(?:or\s+so\b|左右|上下)", re.IGNORECASE),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """`text`: the thing alone, empty where nothing is named. `limit`: what it may cost; None where nothing is said of it."""

    text: str
    limit: Limit | None = None


def wish(message: str) -> Wish:
    """What a message wants, as far as it asks for a product."""
    rest, limit = _without_limits(_OPENING.sub(" ", _CONTRACTED.sub("", essence(message).casefold())))
    words = [word for word in tokens(rest) if word not in _ASKING and word not in STOPWORDS]
    # Chinese words come with the shorter ones inside them: once is enough.
    longest = [word for word in words if word.isascii() or not any(word != other and word in other for other in words)]
    return Wish(" ".join(dict.fromkeys(longest)), limit)


def _without_limits(text: str) -> tuple[str, Limit | None]:
    """The text without amounts of money, and the limit that they set."""
    least = most = code = None
    cuts: list[tuple[int, int]] = []
    found = list(_AMOUNT.finditer(text))
    place = 0
    while place < len(found):
        first = last = found[place]
        if place + 1 < len(found) and _JOINT.fullmatch(text, first.end(), found[place + 1].start()):
            last = found[place + 1]
        said, start, end = _said(text, first.start(), last.end(), several=first is not last)
        money = next((_CODES[word] for one in (last, first) for word in one.group("before", "after") if word), None)
        if money is None and (said is None or _UNIT.match(text, last.end())):
            place += 1  # a size, a number of people, a model
            continue
        place += 1 + (first is not last)
        cuts.append((start, end))
        code = money or code
        low, high = (float(one["amount"].replace(",", "")) for one in (first, last))
        if first is not last:
            least, most = sorted((low, high))
        elif said == "about":
            least, most = low * (1 - ABOUT), low * (1 + ABOUT)
        elif said == "most":
            most = low
        elif said == "least":
            least = low
    for start, end in reversed(cuts):
        text = f"{text[:start]} {text[end:]}"
    return text, None if least is most is None else Limit(least, most, code)


def _said(text: str, start: int, end: int, *, several: bool) -> tuple[str | None, int, int]:
    """How an amount bounds the price, and where what says so begins and ends."""
    for kind, pattern in _BEFORE.items():
        before = pattern.search(text, 0, start)
        if before is not None and (several or kind != "range"):
            return kind, before.start(), end
    for kind, pattern in _AFTER.items():
        after = pattern.match(text, end)
        if after is not None:
            return kind, start, after.end()
    return None, start, end
