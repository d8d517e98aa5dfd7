"""Text as retrieval sees it: cleaned, its language, its words. Pure; jieba's dictionary is read once, on first use."""

from __future__ import annotations

import re
import threading
import unicodedata
from functools import cache
from importlib import resources
from typing import Any, Literal

Language = Literal["zh", "en"]

MAX_LENGTH = 4_000  # code points, as long as a message body may be
CLEANING = 1  # raised whenever `clean` changes, since vectors made before no longer compare

# Invisible characters that carry hidden text or turn the reading direction: tags, variation selectors, zero-width
# and bidirectional controls, soft hyphen, byte-order mark, lone surrogates, control characters but white space.
_HIDDEN = re.compile(
    "[\U000e0000-\U000e01ef\ufe00-\ufe0f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u00ad\u061c\u180e"
    "\ud800-\udfff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
_SPACE = re.compile(r"\s+")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]")
_WORD = re.compile(r"[^\W\d_\u3400-\u9fff]+")
# A run of Han, or a word / number / model number: letters and digits, joined by - . / ' + & × where both sides go on.
_TOKEN = re.compile(
    r"(?P<han>[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002fa1f]+)"
    r"|(?P<word>(?:(?![\u3400-\u9fff\uf900-\ufaff])[^\W_])+(?:[-./'’+&_×,](?:(?![\u3400-\u9fff\uf900-\ufaff])[^\W_])+)*)"
)
_JOINT = re.compile(r"[-./'’+&_×,]")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))")

_FUNCTION_WORDS = """
a an and are as at be been but by can could did do does for from had has have he her his how i if in into is it its
just me my no not of on or our she so than that the their them then there they this to us was we were what when
where which who why will with would you your please hi hello
的 了 吗 呢 吧 啊 我 你 您 他 她 它 我们 你们 是 在 有 和 与 就 都 也 还 这 那 这个 那个 一个 要 不 没 没有 很 请 请问
什么 怎么 给 把 被 到 去 说 能 会 可以 对 从 为 以 及 或 呀 哦 嗯 亲
"""
STOPWORDS = frozenset(_FUNCTION_WORDS.split())


def clean(text: str, limit: int = MAX_LENGTH) -> str:
    """The visible text: hidden characters removed, compatibility forms folded (NFKC), white space collapsed, cut to `limit`."""
    return visible(unicodedata.normalize("NFKC", _HIDDEN.sub("", text[: 4 * limit])), limit)


def visible(text: str, limit: int = MAX_LENGTH) -> str:
    """`clean` without folding: to be shown as its author wrote it, full-width punctuation and all."""
    return _SPACE.sub(" ", _HIDDEN.sub("", text[: 4 * limit])).strip()[:limit].rstrip()


def has_hidden(text: str) -> bool:
    """Whether characters stand in the text that no reader sees, emoji selectors and joiners aside."""
    return any(sign not in "\ufe0e\ufe0f\u200d" for sign in _HIDDEN.findall(text))


def detect_language(text: str) -> Language:
    """Chinese when at least as many Han characters as words of other scripts are seen, otherwise English."""
    sample = clean(text)
    han = len(_HAN.findall(sample))
    return "zh" if han and han >= len(_WORD.findall(sample)) else "en"


def tokens(text: str) -> list[str]:
    """Words for keyword search, in order, case folded.

    Chinese is cut by jieba's search mode (long words and the short words inside them). Other words lose an English plural.
    Numbers, sizes and model numbers stay whole ("1,299.50" → "1299.50", "WH-1000XM4" → "wh-1000xm4"); a joined word also gives
    its parts, so that "wh 1000xm4" finds it.
    """
    found: list[str] = []
    for match in _TOKEN.finditer(_THOUSANDS.sub("", clean(text).casefold())):
        if match.lastgroup == "han":
            found.extend(_cut(match.group()))
            continue
        word = match.group().replace("’", "'")
        if word.endswith("'s"):
            word = word[:-2]
        found.append(stem(word))
        parts = _JOINT.split(word)
        if len(parts) > 1 and not all(part.isdigit() for part in parts):
            found.extend(stem(part) for part in parts)
    return found


def content_words(text: str) -> list[str]:
    """`tokens` without function words; all tokens where nothing else is left."""
    words = tokens(text)
    return [word for word in words if word not in STOPWORDS] or words


def stem(word: str) -> str:
    """An English plural made singular (Harman's S-stemmer, 1991). Words with a digit, and short ones, stay as they are."""
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith("ies") and word[-4] not in "ae":
        return word[:-3] + "y"
    if word.endswith("es") and word[-3] not in "aeo":
        return word[:-1]
    if word.endswith("s") and word[-2] not in "us":
        return word[:-1]
    return word


_cutter_lock = threading.Lock()


@cache
def _load_cutter() -> Any:
    """jieba's tokenizer with its packaged dictionary.

    jieba itself would unmarshal a cache from the shared temporary folder, where anybody may have put one, and report on
    stderr. Counting the dictionary ourselves avoids both, and takes about a second.
    """
    import jieba

    cutter = jieba.Tokenizer()
    with resources.files("jieba").joinpath("dict.txt").open("rb") as dictionary:
        cutter.FREQ, cutter.total = cutter.gen_pfdict(dictionary)
    cutter.initialized = True
    return cutter


def _cut(run: str) -> list[str]:
    with _cutter_lock:
        cutter = _load_cutter()
    return list(cutter.cut_for_search(run))
