"""Words that no bot should answer: a person is called. Chinese and English; rules, so that they are predictable.

Kinds, the gravest first: `self_harm`, `threat`, `injury` (a product hurt somebody), `legal`.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, Literal

Concern = Literal["self_harm", "threat", "injury", "legal"]

_SELF_HARM: Final = (
    r"\b(?:kill|killing|hurt|hurting|harm|harming|cut|cutting)\s+myself\b",
    r"\b(?:commit|committing|thinking\s+of|thinking\s+about|considering)\s+suicide\b",
    r"\b(?:i\s+am|i'm|feel(?:ing)?)\s+suicidal\b",
    r"\bend(?:ing)?\s+my\s+(?:own\s+)?life\b",
    r"\bi\s+(?:just\s+)?want\s+to\s+die\b",
    r"\b(?:don'?t|do\s+not)\s+want\s+to\s+(?:live|be\s+alive)\b",
    r"自杀|自殺|轻生|輕生|自残|自殘|割腕|跳楼|跳樓|活不下去|活着没意思|结束(?:自己|我)的生命",
    r"(?:不想|不愿|没法)活(?:了|下去)",
    r"想死(?:了|$)",  # not 想死你了, which is longing
)
_THREAT: Final = (
    r"\b(?:kill|murder|shoot|stab|hurt|beat)\s+(?:you|your\s+(?:staff|family|people|employees)|them\s+all|someone|somebody)\b",
    r"\b(?:blow|burn)\s+(?:up\s+|down\s+)?(?:you|your\s+(?:shop|store|office|warehouse|house|place))\b",
    r"\bbomb\s+(?:your|the)\s+(?:shop|store|office|warehouse)\b",
    r"\bi\s+know\s+where\s+you\s+live\b",
    r"(?:杀|殺|砍|弄|打|捅|砸|整)(?:死|了)(?:你|他们|她|他)",
    r"(?:炸|烧|燒|砸)(?:了|掉|烂)?(?:你们|你們)(?:店|公司|仓库|倉庫|家)",
    r"杀(?:你)?全家|要你(?:的)?命|放火",
)
_INJURY: Final = (
    r"\b(?:caught|catch(?:es)?|on)\s+fire\b|\bexploded\b|\bchok(?:ed|ing)\b",
    r"\belectric(?:al)?\s+shock\b|\belectrocuted\b|\bfood\s+poisoning\b|\ballergic\s+reaction\b",
    r"\b(?:burned|burnt|injured|cut|hurt)\s+(?:me|my\s+\w+|him|her|us)\b",
    r"\b(?:went|taken|rushed|had\s+to\s+go)\s+to\s+(?:the\s+)?(?:hospital|emergency|er)\b",
    r"着火|著火了|起火|冒烟|冒煙|(?:发生|會|会|突然|直接|电池|電池)爆炸|爆炸了",
    r"触电|觸電|电到(?:我|人|孩子)|漏电|漏電|烫伤|燙傷|烧伤|燒傷|划伤|割伤|受伤|受傷|食物中毒|中毒了",
    r"(?:进|進|送|去)(?:了)?(?:医院|醫院|急诊|急診)|送医|送醫|住院",
)
_LEGAL: Final = (
    r"\b(?:my|a|our|your)\s+(?:lawyer|attorney|solicitor)s?\b|\blawsuit\b|\bsmall\s+claims\b",
    r"\blegal\s+(?:action|proceedings|steps|advice|department)\b",
    r"\b(?:sue|suing)\s+(?:you|your|this|the\s+(?:shop|store|company)|them)\b",
    r"\b(?:go(?:ing)?|take|taking|see|see\s+you)\s+(?:you\s+|this\s+|it\s+)?(?:to|in)\s+court\b",
    r"\btrading\s+standards\b|\bombudsman\b|\bbetter\s+business\s+bureau\b|\bchargeback\b",
    r"\bconsumer\s+(?:protection|rights)\s+(?:agency|office|authority|board)\b",
    r"\bgdpr\s+(?:request|complaint)\b|\bdata\s+protection\s+(?:officer|authority)\b",
    r"\bcall(?:ing)?\s+the\s+police\b|\bpolice\s+report\b",
    r"(?:找|请|請|让|讓|我的?|有|是|咨询|聯繫)律师|律师函|律師(?:函)?|起诉|起訴|打官司|诉讼|訴訟|法庭|法院见",
    r"(?:上|去|到)法院(?!路|街|旁|对面|附近|大道)|法律(?:途径|手段|责任|武器)|侵权",
    r"12315|消协|消協|消费者协会|工商局|市场监管|(?:我要|去|要)告(?:你们|你|他们|到)|(?:报|報)(?:警|案)",
)
_PATTERNS: Final[tuple[tuple[Concern, re.Pattern[str]], ...]] = (
    ("self_harm", re.compile("|".join(_SELF_HARM))),
    ("threat", re.compile("|".join(_THREAT))),
    ("injury", re.compile("|".join(_INJURY))),
    ("legal", re.compile("|".join(_LEGAL))),
)


def safety_concern(text: str) -> Concern | None:
    """The gravest concern that the text voices, or None."""
    folded = unicodedata.normalize("NFKC", text).replace("\u2019", "'").lower()
    folded = re.sub(r"\s+", " ", folded)
    for concern, pattern in _PATTERNS:
        if pattern.search(folded):
            return concern
    return None
