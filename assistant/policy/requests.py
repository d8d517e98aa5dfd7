"""Does the contact ask for a person? Chinese (simplified and traditional) and English, with refusals and questions told apart.

Rules, not a model: this request is obeyed at once, so it must be predictable, and a missed one is a broken promise. The text is
read clause by clause and the last word counts: "转人工！算了，不用转人工了" ends as no request.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_CLAUSE: Final = re.compile(r"[,.!?;:\n，。！？；：、~～…]+|\bbut\b|但是|不过|可是")

# --- Chinese ---
_ZH_PERSON: Final = (
    r"(?:人工(?![智皮湖草费費造降呼授耳牙晶])(?:客服|服务|服務|坐席|座席)?|真人(?:客服)?|活人|在线客服|在線客服"
    r"|客服(?:专员|專員|人员|人員)|(?:你们|你們)?(?:客服)?(?:经理|經理|主管|领导|領導|负责人|負責人|老板|老闆))"
)
_ZH_CALL: Final = (
    r"(?:转接|轉接|转|轉|找|要|接|叫|换|換|联系|聯繫|联络|呼叫|来|來|派|给我|給我"
    r"|喊|请|請|安排|跟|和|同|想|需要|希望|上)"
)
_ZH_REQUEST: Final = re.compile(
    "|".join(
        (
            _ZH_CALL + r"(?:一?[下个個位名]|到|一下|你们|你們|你|的|我|去|进|進|入|成|回|用|是){0,3}" + _ZH_PERSON,
            r"(?:有没有|有沒有|没有|沒有|有|没|沒)(?:一?[个個位名])?(?:人工|真人|活人)(?:客服|服务|服務)?(?:吗|嗎|么|呢|啊)?$",
            r"(?:人工|真人)(?:客服|服务|服務)?(?:呢|在吗|在嗎|在哪|来|來|接|回复|回覆|处理|處理|帮我|幫我)",
            r"^(?:请|請|麻烦|麻煩|快|快点|快點|赶紧|趕緊|直接)?(?:人工|真人)(?:客服|服务|服務|坐席)?(?:吧|啊|呀|谢谢|謝謝)?$",
        )
    )
)
_ZH_NO_BOT: Final = re.compile(
    r"(?:不要|不想|别|別|讨厌|討厭|受够|受夠|不跟|不和|拒绝|拒絕|不需要)"
    r"(?:再|和|跟|同|让|讓|用|看到|与|與|了|这个|這個|你这个|是|理){0,3}"
    r"(?:机器人|機器人|机器|機器|智能客服|自动回复|自動回覆|ai)"
)
_ZH_REFUSAL: Final = re.compile(
    r"(?<![能要])(?:不用|不要|不必|不需要|无需|無需|别|別|不想|用不着|用不著|先不|暂时不|暫時不)"
    r"(?:再|给我|給我|帮我|幫我|麻烦|麻煩|急着|去|找|叫|转到|轉到|跟|和|要|你|您|是){0,3}"
    r"(?:转接|轉接|转|轉|找|叫|接|换|換|联系|聯繫|要|用)?(?:到)?"
    + _ZH_PERSON
    + r"|"
    + _ZH_PERSON
    + r"(?:的话|的話)?(?:就|也|先)?(?:不用|不必|算了|免了|不需要|不要)了?"
)
_ZH_WHY_NOT: Final = re.compile(r"(?:为什么|為什麼|为啥|怎么|怎麼|干嘛|凭什么|憑什麼|能|可|可以)(?:还|還|就|都)?不")
_ZH_ABOUT_YOU: Final = re.compile(
    r"(?:你|您|这|這|现在|現在|对面|對面)?(?:是不是|到底是|是|还是|還是)(?:一?[个個位])?"
    r"(?:人工|真人|活人|机器人|機器人|机器|機器)(?:客服)?(?:还是|還是|吗|嗎|么|吧|呢|$)"
)

# --- English ---
_EN_KIND: Final = r"(?:real|live|actual|human|proper|physical|different|another|senior|flesh and blood)"
_EN_PERSON: Final = (
    r"(?:human(?:\s+being)?|person|people|somebody|someone|agent|representative|rep|operator|adviser|advisor|supervisor"
    r"|manager|customer\s+(?:service|support|care)|support(?:\s+team)?|staff|employee|colleague)"
)
_EN_WHO: Final = (
    r"(?:(?:a|an|the|your|some|any|one\s+of\s+your|with\s+a)\s+)?(?:" + _EN_KIND + r"\s+){0,2}" + _EN_PERSON + r"\b"
    r"(?!\s+(?:sample|sized?|told|said|was|who\s+told))"
)
# Words that mean a person of ours by themselves; "someone" and "people" need a verb of speaking.
_EN_SURE: Final = (
    r"(?:(?:real|live|actual|human)\s+(?:human|person|people|agent|rep|representative|operator|being)"
    r"|human|agent|representative|rep|operator|supervisor|manager|person)\b"
    r"(?!\s+(?:sample|sized?|hair|resources?|rights?))"
)
_EN_REQUEST: Final = re.compile(
    "|".join(
        (
            r"\b(?:speak|talk|chat)\s+(?:to|with)\s+" + _EN_WHO,
            r"\b(?:connect|transfer|put|forward|pass|redirect|hand|switch|escalate)(?:\s+(?:me|us|this|it))?"
            r"(?:\s+(?:through|over))?\s+(?:to|with)\s+" + _EN_WHO,
            r"\b(?:want|need|get|give|find|send|prefer|require|have|bring|got)\s+(?:me\s+)?"
            r"(?:(?:a|an|some|any|your|the)\s+)?" + _EN_SURE,
            r"\b(?:can|could|may|please|let)\b.{0,20}\b(?:human|real\s+person|live\s+agent|live\s+person)\b.{0,12}"
            r"(?:please|help|now|take|$)",
            r"\bis\s+there\s+(?:a|an|any)\s+" + _EN_SURE,
            r"\bhand\s+me\s+over\b",
            r"\bescalate\s+(?:this|it|me|my\s+\w+)\b",
            r"^(?:a\s+)?(?:please\s+)?(?:real\s+|live\s+)?(?:human|agent|representative|operator|person)"
            r"(?:\s+(?:please|pls|now|agent))*$",
        )
    )
)
_EN_NO_BOT: Final = re.compile(
    r"\b(?:don'?t|do\s+not|not|no|hate|stop|sick\s+of|tired\s+of|instead\s+of|rather\s+than|fed\s+up\s+with)\b"
    r"(?:\s+(?:want|need|wanna|talk|talking|speak|speaking|chat|chatting|deal|dealing|to|with|like|the|this|a|an|your"
    r"|stupid|damn|more|another)){0,6}"
    r"\s+(?:chat)?(?:bots?|robots?|machines?|ai|computers?|automated\s+\w+)\b"
)
_EN_REFUSAL: Final = re.compile(
    r"\b(?:don'?t|do\s+not|no\s+need|not\s+necessary|needn'?t|without|rather\s+not|won'?t|not)\b"
    r"(?:\s+(?:want|need|wanna|have|really|even|yet|to|for|be|me|us|you|please|talk|talking|speak|speaking|chat|connect"
    r"|connected|transfer|transferred|get|put|through|with|over|escalate|this|call|involve|involving|having|wait"
    r"|waiting)){0,7}\s+" + _EN_WHO + r"|\bno\s+" + _EN_SURE + r"\s*(?:needed|necessary|required|please|thanks|$)"
)
_EN_WHY_NOT: Final = re.compile(
    r"\b(?:why|how\s+come)\b|\bdon'?t\s+you\b|\b(?:can'?t|cannot|couldn'?t)\s+(?:i|you|we)\b|^is(?:n'?t| not) there"
)
_EN_ABOUT_YOU: Final = re.compile(
    r"\b(?:are|r)\s+(?:you|u|this)\b.{0,24}\b(?:human|person|bot|robot|real|machine|ai|agent)\b"
    r"|\bis\s+(?:this|it|that)\s+(?:a|an)?\s*.{0,12}\b(?:human|person|bot|robot|machine|ai)\b"
    r"|\bam\s+i\s+(?:talking|speaking|chatting|writing)\b|\bwas\s+i\s+(?:talking|speaking|chatting)\b"
    r"|\byou(?:'re|\s+are)\s+(?:a|an|not)\b"
)


def asks_for_human(text: str) -> bool:
    """True when the text, as a whole, asks to be handed to a person.

    A question about who is speaking ("are you human?", "你是机器人吗") and a refusal ("不用转人工了") are not requests; not
    wanting a bot is one.
    """
    wanted = False
    for raw in _CLAUSE.split(_fold(text)):
        clause = raw.strip()
        if not clause:
            continue
        verdict = _clause(clause)
        if verdict is not None:
            wanted = verdict
    return wanted


def _clause(clause: str) -> bool | None:
    """One clause: True a request, False a refusal, None neither."""
    compact = clause.replace(" ", "")
    if _ZH_NO_BOT.search(compact) or _EN_NO_BOT.search(clause):
        return True
    if _ZH_REFUSAL.search(compact) and not _ZH_WHY_NOT.search(compact):
        return False
    if _EN_REFUSAL.search(clause) and not _EN_WHY_NOT.search(clause):
        return False
    if _ZH_ABOUT_YOU.search(compact) or _EN_ABOUT_YOU.search(clause):
        return None
    if _ZH_REQUEST.search(compact) or _EN_REQUEST.search(clause):
        return True
    return None


def _fold(text: str) -> str:
    """Full width to half width, curly quotes to straight ones, lower case, single spaces."""
    folded = unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\u2018", "'").lower()
    return re.sub(r"[^\S\n]+", " ", folded)
