"""Short answers, understood by what they answer: "yes" means a colleague where one was offered. Chinese and English. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_SENTENCE: Final = re.compile(r"[^.!?。！？\n]*[.!?。！？\n]?")
_CLAUSE: Final = re.compile(r"[,.!;:\n，。！；：、~～]+")
_PERSON: Final = re.compile(r"\bcolleagues?\b|\bhand (?:it|this) over\b|\ba person\b|同事|人工|转过去")
_CLOSED: Final = re.compile(
    r"^\W*(?:so |then )?(?:shall|should|may|would|could|can|do|is|all right|right|ok)\b"
    r"|(?:吗|可以|好不好|要不要|看看|怎么样|行)\W*$"
)
_OPEN: Final = re.compile(r"\b(?:what|which|when|where|who|how|why)\b|什么|哪|怎么|多少|几|谁")
_MORE: Final = re.compile(r"\banything else\b|\belse i can\b|还有(?:其他|其它|别的)|还需要")
_YES: Final = re.compile(
    r"^(?:oh |well |ok |okay )?(?:yes|yeah|yep|yup|sure|ok|okay|of course|please do|please|go ahead|absolutely|definitely"
    r"|alright|all right|do (?:it|that|so)|let'?s (?:do (?:it|that)|try)|that would be \w+|sounds \w+|fine|i agree)"
    r"(?: (?:please|pls|thanks|thank you|do|go ahead|check|yes|ok|that would be \w+|do (?:it|that)|hand it over|pass it on))*$"
    r"|^(?:那就|那|嗯+)?(?:好|行|可以|是|对|嗯|要|需要|同意|没问题|麻烦|转|查|帮我转|帮我查|试试)"
    r"(?:的|吧|啊|呀|哦|呢|一下|过去|你了|您了|了|试试|看看|谢谢){0,3}$"
)


def asks(said: str | None) -> bool:
    """Whether what was said ends in a question."""
    return said is not None and _last(said).rstrip(" \"'”’)）").endswith(("?", "？"))


def asks_for_more(said: str | None) -> bool:
    """Whether what was said asks if there is anything else."""
    return said is not None and asks(said) and _MORE.search(_fold(said)) is not None


def offers_person(said: str | None) -> bool:
    """Whether what was said is a yes-or-no question about passing the matter to a colleague."""
    if said is None or not asks(said):
        return False
    question = _fold(_last(said))
    return (
        _PERSON.search(_fold(said)) is not None and _CLOSED.search(question) is not None and not _OPEN.search(question)
    )


def agrees(text: str) -> bool:
    """Whether a turn is, or begins with, a plain yes, and asks nothing itself."""
    folded = _fold(text)
    clauses = [clause.strip() for clause in _CLAUSE.split(folded) if clause.strip()]
    return bool(clauses) and "?" not in folded and _YES.search(clauses[0]) is not None


def _last(said: str) -> str:
    sentences = [part.strip() for part in _SENTENCE.findall(said) if part.strip()]
    return sentences[-1] if sentences else ""


def _fold(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).replace("\u2019", "'").casefold()
    return re.sub(r"[^\S\n]+", " ", folded).strip()
