"""What words alone give away, in Chinese and English: compiled patterns, no model.

The patterns are deliberately narrow. They feed the learned model as features and label the weakly supervised heads;
the only ones that act on the score by themselves are the leaving words, because no public conversation carries a label
for them. Leaving words have a direction: "switching to you" is the opposite of "switching from you".
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

MAX_CHARS = 4000

_INVISIBLE = {"Cf", "Cc", "Co", "Cs"}


@lru_cache(maxsize=4096)
def normalise(text: str) -> str:
    """Lower case, NFKC (full-width becomes half-width), without control and invisible characters, at most 4,000 long."""
    clean = unicodedata.normalize("NFKC", text[:MAX_CHARS])
    kept = "".join(
        " " if c in "\n\r\t" else c for c in clean if c in "\n\r\t" or unicodedata.category(c) not in _INVISIBLE
    )
    return " ".join(kept.replace("’", "'").lower().split())[:MAX_CHARS]


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts))


NEGATION = _any(
    r"\bnot?\b", r"\bnever\b", r"\bnone\b", r"n't\b", r"\bcannot\b", r"\bwithout\b",
    "不", "没", "沒", "别", "無", "无法", "未",
)  # fmt: skip

QUESTION = _any(
    r"\?", r"\b(?:what|why|when|where|how|which|who|can you|could you|do you|is it|are you)\b",
    "吗", "嘛", "么$", "呢", "怎么", "为什么", "什么", "多久", "几天", "哪", "是否", "能不能", "可不可以",
)  # fmt: skip

THANKS = _any(
    r"\bthank(?:s| you)\b", r"\bthx\b", r"\bcheers\b", r"\b(?:great|perfect|awesome|excellent|wonderful|lovely)\b",
    r"\bappreciate\b", r"\bthat(?:'s| is| was)? (?:helpful|works|good|fine)\b",
    "谢谢", "多谢", "感谢", "谢了", "太好了", "好评", "很好", "非常好", "棒", "辛苦了", "满意",
)  # fmt: skip
_UNTHANKS = _any(
    r"\bno thank(?:s| you)\b",
    r"\bthanks for nothing\b",
    r"\bnot (?:great|good|perfect)\b",
    "不满意",
    "不太满意",
    "不是很好",
    "不好",
)

APOLOGY = _any(
    r"\bsorry\b", r"\bapolog", r"\bregret\b", r"\bunfortunately\b", r"\bi'm afraid\b",
    "抱歉", "对不起", "不好意思", "非常遗憾", "给您带来", "请谅解", "见谅",
)  # fmt: skip

WAIT = _any(
    r"\bplease wait\b", r"\bone moment\b", r"\bjust a (?:moment|second|minute)\b", r"\bhold on\b", r"\bbear with\b",
    "稍等", "请等", "等一下", "耐心等待", "请稍候", "稍后",
)  # fmt: skip

ANGER = _any(
    r"\b(?:terrible|awful|horrible|ridiculous|unacceptable|useless|worst|disgust\w*|pathetic|joke|furious|angry|fed up)\b",
    r"\bsick (?:and tired )?of\b", r"\bwaste of\b", r"\bdisappoint\w*", r"\bwtf\b", r"\bhow many times\b", r"\brude\b",
    "垃圾", "太差", "很差", "差劲", "无语", "气死", "生气", "忽悠", "坑人", "太慢", "什么态度", "敷衍", "不负责", "失望", "恶心", "过分",
    "搞什么", "受够", "烦死", "骗", "呵呵", "坑爹", "差评", "扯淡", "服了", "投诉", "12315", "消协",
)  # fmt: skip

HUMAN = _any(
    r"\b(?:speak|talk|chat|connect\w*|transfer\w*|put)\b[^.?!]{0,30}\b(?:human|person|agent|representative|rep|manager|supervisor|someone|operator|people)\b",
    r"\b(?:real|actual|live|human) (?:human|person|people|agent|being|operator|representative|support)\b",
    r"\b(?:want|need|get me|give me)\b[^.?!]{0,15}\b(?:a human|an agent|a person|a manager|your manager|a supervisor|your supervisor|an operator|a representative)\b",
    r"^(?:human|agent|operator|representative)[.!]*$",
    "转人工", "人工客服", "人工服务", "真人", "找人工", "要人工", "接人工", "换个人", "换一个客服", "换个客服", "叫你们经理", "找你们经理",
    "找经理", "找主管", "你们领导", "^人工$", "是机器人吗",
)  # fmt: skip
_NO_HUMAN = _any(
    r"\b(?:don't|do not|no) (?:need|want|have)\b[^.?!]{0,20}\b(?:human|agent|person|manager|operator|representative)\b",
    "(?:不用|不要|不需要|别|不想|无需)(?:再)?(?:给我)?(?:转|找|要|接)?人工",
)

URGENT = _any(
    r"\b(?:urgent\w*|asap|immediately|right now|today|still (?:not|no|waiting))\b", r"\balready (?:\w+ ){0,2}(?:days|weeks|times)\b",
    "赶紧", "马上", "尽快", "急", "立刻", "快点", "还没", "都几天", "好几天", "多少天",
)  # fmt: skip

GREETING = _any(r"^(?:hi|hello|hey)\b", "^(?:您好|你好|在吗|在么|有人吗|在不在|在)", r"^\?+$")

CLOSING = _any(
    r"\b(?:bye|goodbye|that's all|that is all|nothing else|have a (?:nice|good|great))\b",
    "再见",
    "拜拜",
    "没有了",
    "没了",
    "不用了",
    "没事了",
)

AFFIRM = _any(
    r"^(?:ok(?:ay)?|yes|yeah|sure|right|fine|alright|yep)\b", "^(?:好|嗯|恩|哦|噢|行|可以|是的|对|ok|知道了|明白|收到)"
)

PLACEHOLDER = re.compile(r"\[[^\[\]\n]{1,24}\]|#e-s")

_TO_US = _any(
    r"\b(?:switch(?:ing|ed)?|mov(?:e|ing|ed)|chang(?:e|ing|ed)|com(?:e|ing)|came)\b(?: \w+){0,3} (?:to|over to|back to) (?:you\b|your (?:shop|store|service|brand|company|plan)|this shop)",
    r"\b(?:left|leaving|quit|ditch(?:ed|ing)?|fed up with|done with)\b[^.?!]{0,40}\b(?:for you\b|so i(?:'m| am) (?:here|with you))",
    r"\b(?:joining|join|signing up with|stay(?:ing)? with) you\b", r"\bi(?:'ll| will| want to) (?:stay|keep (?:buying|shopping|ordering))\b",
    r"\b(?:won't|will not|not going to|wouldn't|never) (?:leave|cancel|switch)\b", r"\b(?:don't|do not) want to (?:leave|cancel my (?:account|membership|subscription)|switch)\b",
    "(?:换|转|改)(?:到|成|来|用|投)?(?:了)?(?:你们|你家|贵店|这里|这边)", "(?:以后|一直|继续)(?:都)?(?:在|来|会)?(?:你们|你家|这)(?:家|店|里|儿|这)?[^不没]{0,4}买",
    "不(?:会|想|打算)(?:离开|换别家|注销|走)", "从(?:别家|其他家|其他店|淘宝|京东|拼多多|天猫)[^。!?]{0,6}(?:换|转|改)(?:到|来|过来)",
)  # fmt: skip

_FROM_US = _any(
    r"\b(?:switch(?:ing|ed)?|mov(?:e|ing|ed)|chang(?:e|ing|ed)|go(?:ing|ne)?)\b(?: \w+){0,3} (?:away )?(?:from|off) (?:you\b|your|this shop)",
    r"\b(?:switch(?:ing)?|mov(?:e|ing)|go(?:ing)?|tak(?:e|ing) my (?:business|money|custom))\b(?: \w+){0,2} (?:to (?:another|a different|your competitor|a competitor|the competition|someone else|amazon|ebay|temu|other)|elsewhere|somewhere else)",
    r"\b(?:leav(?:e|ing)|quit(?:ting)?|ditch(?:ing)?|drop(?:ping)?) (?:you(?: guys)?\b|your (?:shop|store|service|company|brand)|this (?:shop|store|company))",
    r"\b(?:cancel|close|delete|deactivate|terminate|end)(?:ing|l?ing|ed)? (?:\w+ ){0,2}(?:account|membership|subscription|contract|plan)\b",
    r"\bunsubscribe\b", r"\bi(?:'m| am) (?:so )?(?:done|finished|out)\b(?! (?:with (?:the|this|my) (?:form|order|question|payment))| (?:of|ordering|shopping))",
    r"\b(?:done|finished|through) with (?:you|this (?:shop|store|company|place)|your)\b",
    r"\b(?:never|not|won't|will not|don't|do not)(?: \w+){0,3} (?:buy(?:ing)?|shop(?:ping)?|order(?:ing)?|com(?:e|ing) back|return(?:ing)? here|use you|deal(?:ing)?)\b[^.?!]{0,20}\b(?:again|any ?more|here|from you|with you|back|you)\b",
    r"\bnever (?:again|coming back)\b", r"\b(?:last time|last order)\b[^.?!]{0,25}\b(?:buy|order|shop|here|you|ever)\b", r"\blost (?:me as )?a customer\b",
    "(?:注销|销户|删除|关闭|取消)(?:我的|掉|了)?(?:账号|帐号|账户|帐户|会员|订阅)", "(?:账号|帐号|账户|帐户|会员)[^。!?]{0,4}(?:注销|销掉|退掉|取消)", "退会",
    "(?:再也|以后|下次|永远)(?:都|再|绝对|也)*(?:不|别)(?:会|想|敢|要)?(?:再)?(?:来|买|用|在你|光顾|上你|上京东|相信|信)", "不(?:会)?再(?:来|买|用|光顾|信)",
    "(?:换|去|找|转|改)(?:到|成|用|投|去)?(?:了)?(?:别家|别的店|别的平台|其他家|其他店|其它家|另一家|别人家|别处|淘宝|天猫|拼多多|苏宁|亚马逊|竞争对手)(?!.{0,6}(?:换|转|改)(?:到|来))",
    "(?:离开|卸载)(?:你们|你家|贵店|这个?app|京东|这里|吧|了)", "最后一次(?:在|来|买|用)", "拉黑", "失去(?:我|一个|一位)(?:这个)?(?:客户|顾客)", "(?:从|把)(?:你们|你家)[^。!?]{0,6}(?:换|转|改)(?:到|成|去|走)",
)  # fmt: skip


def leaving(text: str) -> int:
    """Direction of leaving words in a normalised text: 1 away from us, -1 towards us (or staying), 0 none.

    Leaving words inside staying words do not count ("I won't **cancel my account**"), nor the other way round. A text
    that says both counts as what it says last: "left them, came to you" is towards us.
    """
    away = [m.span() for m in _FROM_US.finditer(text)]
    towards = [m.span() for m in _TO_US.finditer(text)]
    # of two overlapping matches the one that starts first is the phrase, the other a part of it
    last_away = max((a for a, _ in away if not any(t <= a < end for t, end in towards)), default=-1)
    last_towards = max((t for t, _ in towards if not any(a < t < end for a, end in away)), default=-1)
    if last_away == last_towards:
        return 0
    return 1 if last_away > last_towards else -1


def asks_for_human(text: str) -> bool:
    """True when a normalised text asks for a person; "I don't need a human" does not."""
    return bool(HUMAN.search(text)) and not _NO_HUMAN.search(text)


def thanks(text: str) -> bool:
    """True for thanks or praise in a normalised text; "no thanks" and "thanks for nothing" do not count."""
    return bool(THANKS.search(text)) and not _UNTHANKS.search(text)
