"""What a text offers or promises, by meaning, with the words for it in English and Chinese. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Verbose patterns: white space does not count.
_BENEFITS = {
    "discount": r"""
        discount | \boff\b | reduc(?:ed|tion) | price\s*(?:cut|drop|match) | cheaper\s+for\s+you
        | half[\s-]price | \bsale\b | 折扣 | 打折 | [0-9一二三四五六七八九]折 | 优惠价 | 半价 | 降价 | 减价
        | 立减 | 满减 | 便宜(?:点|些)?给
    """,
    "voucher": r"""
        voucher | coupon | promo(?:tion)?\s*code | gift\s*card | store\s*credit | 优惠券 | 代金券 | 红包
        | 抵用券 | 礼品卡 | 优惠码 | 折扣码
    """,
    "refund": r"""
        refund | money[\s-]back | reimburse | your\s+money\s+again | 退款 | 退钱 | 退还 | 全额退 | 返现
        | 返还
    """,
    "compensation": r"""
        compensat | make\s+it\s+up\s+to\s+you\s+with | goodwill | 赔偿 | 补偿 | 赔付 | 赔您 | 补差价
    """,
    "free": r"""
        \bfree\b(?!\s+to\b) | free\s+of\s+charge | complimentary | on\s+the\s+house
        | no\s+(?:extra\s+)?(?:cost|charge) | gratis | for\s+nothing | waive | 免费 | 包邮 | 免运费 | 免邮
        | 白送 | 不收(?:钱|费) | 不用(?:钱|付)
    """,
    "gift": r"""
        \bgifts?\b | \bbonus\b | \bextra\s+item | buy\s+one | throw\s+in | 赠品 | 赠送 | 送您 | 送你
        | 买一送一 | 礼物 | 小礼品
    """,
    "replacement": r"""
        replac(?:e|ing|ement) | send\s+(?:you\s+)?(?:a\s+)?(?:new|another) | exchange | 换货 | 补发 | 重发
        | 换新 | 换一(?:个|件)
    """,
    "points": r"""
        \bpoints\b | \bcashback\b | \bcash\b | 积分 | 现金
    """,
}
_PROMISES = {
    "guarantee": r"""
        guarant | \bpromise | assure\s+you | definitely | certainly\s+will | without\s+fail | 100\s*%
        | rest\s+assured | for\s+sure | 保证 | 承诺 | 肯定会 | 一定会 | 绝对 | 百分百 | 放心.{0,4}(?:会|能)
    """,
    "moment": r"""
        \btoday\b | \btonight\b | \btomorrow\b | right\s+away | immediately | at\s+once | instantly
        | within\s+the\s+hour | this\s+(?:afternoon|evening|week) | 今天 | 今晚 | 明天 | 后天 | 马上 | 立刻
        | 立即 | 当天 | 即刻
    """,
    "scarcity": r"""
        last\s+chance | only\s+(?:today|now) | hurry | expires?\s+soon | before\s+it'?s\s+too\s+late
        | act\s+now | 最后机会 | 仅限今 | 赶快 | 抓紧 | 错过 | 即将过期 | 手慢无
    """,
    "policy": r"""
        our\s+(?:policy|manager|boss) | company\s+policy | as\s+an?\s+exception | lifetime | warranty
        | \bforever\b | for\s+life\b | 永久 | 永远 | 公司规定 | 我们的政策 | 终身 | 质保 | 保修 | 破例 | 特批
    """,
    "approval": r"""
        \bapprov(?:e|es|ed|al)\b | \bgranted\b | \bauthori[sz]ed\b | \bconfirm(?:ed|ation)?\b | 批准 | 核准 | 审批 | 已同意
        | 确认(?!一下|下|是否)
    """,
}


# What makes a mention no grant: "we cannot refund", "would a voucher help?".
_DENIED = re.compile(
    r"\b(?:not|no|never|cannot|unable|without|if|whether|unless|instead\s+of)\b|n['’]t\b|不|没|无法|未|别|如果|是否|要是|若",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[^.!?。！？\n]+[.!?。！？\n]*")
_CLAUSE = re.compile(r"[,，;；:：]|\bbut\b|但是?|不过", re.IGNORECASE)


def _compiled(meanings: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    return {name: re.compile(pattern, re.IGNORECASE | re.VERBOSE) for name, pattern in meanings.items()}


_BENEFIT_PATTERNS, _PROMISE_PATTERNS = _compiled(_BENEFITS), _compiled(_PROMISES)


def benefits(text: str) -> set[str]:
    """The kinds of benefit that a text speaks of."""
    return {name for name, pattern in _BENEFIT_PATTERNS.items() if pattern.search(text)}


def granted(text: str) -> set[str]:
    """The kinds of benefit that a text says there are: spoken of in a clause that neither denies, nor asks, nor supposes."""
    found: set[str] = set()
    for sentence in _SENTENCE.findall(text):
        if sentence.rstrip().endswith(("?", "？")):
            continue
        for clause in _CLAUSE.split(sentence):
            if not _DENIED.search(clause):
                found |= benefits(clause)
    return found


def promises(text: str) -> set[str]:
    """The kinds of promise that a text makes."""
    return {name for name, pattern in _PROMISE_PATTERNS.items() if pattern.search(text)}
