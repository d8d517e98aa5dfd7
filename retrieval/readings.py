"""Other ways to read a message: without its courtesies, clause by clause, together with what was said before. Pure.

A message such as "Hi, I got the parcel on Monday. The lid is missing, order 48122" asks one thing among several said; "From the
base again." says nothing without what came before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from retrieval.text import clean, tokens

Kind = Literal["core", "clause", "context"]
MOST = 6  # readings of one message, so that a long letter costs no more than a short one
SHORT = 14  # words up to which a message may lean on the one before it
CONTEXT = 200  # code points of the earlier message that are kept
_LEAST = 2  # words of a clause that can stand alone

_GREETING = re.compile(
    r"^(?:\s*(?:(?:hi|hello|hey|dear\s+\w+|good\s+(?:morning|afternoon|evening|day)|morning|evening)(?:\s+(?:there|all|team|everyone|guys))?\b"
    r"|您好|你好|哈喽|哈囉|嗨|在吗|在嗎|在不在|请问|請問|亲爱的|亲|親|客服|那个)\s*[,.!?，。！？~～…、:：]*)+",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?:\b(?:my\s+)?order(?:\s*(?:number|no\.?|nr\.?))?\s*(?:is|:)?\s*#?\s*(?=\d)|订单号?(?:是|为)?\s*[:：#]?\s*(?=\d)|#\s*(?=\d)|\bit'?s\s+#?(?=\d))?"
    r"\b[A-Za-z]{0,3}-?\d{4,}\b[.,，。]?",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[.!?;\n。！？；~～…]+|,\s+|，|\s+-\s+|\b(?:but|because)\b|但是|不过|因为", re.IGNORECASE)
_QUESTION = re.compile(
    r"[?？]|[吗嗎]\W*$|^(?:do|does|can|could|is|are|what|which|when|where|who|how|why)\b", re.IGNORECASE
)
_LOOSE = re.compile(r"^[\s,.!?，。！？、:：;；]+|[\s,，、:：;；]+$")


def essence(text: str) -> str:
    """The message without greeting and order numbers; the message itself where nothing else is said."""
    bare = _LOOSE.sub("", _NUMBER.sub(" ", _GREETING.sub("", clean(text))))
    return clean(bare) if tokens(bare) else clean(text)


def readings(text: str, before: Sequence[str] = ()) -> list[tuple[Kind, str]]:
    """At most MOST readings of a message, each with its kind. `before`: what the same person said earlier, the latest last.

    "core" is always there, "clause" where several can stand alone, "context" where the message is short, is no question of
    its own, and something came before.
    """
    core = essence(text)
    found: dict[str, Kind] = {core: "core"}
    clauses = [clean(_LOOSE.sub("", part)) for part in _CLAUSE.split(core)]
    telling = [clause for clause in clauses if len(tokens(clause)) >= _LEAST]
    if len(telling) > 1:
        for clause in telling[: MOST - 2]:
            found.setdefault(clause, "clause")
    if before and len(tokens(core)) <= SHORT and not _QUESTION.search(core):
        found.setdefault(f"{essence(before[-1])[-CONTEXT:]} {core}", "context")
    return [(kind, reading) for reading, kind in found.items()]
