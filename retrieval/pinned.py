"""Words of a question that must not be swapped for something like them: numbers and sizes, model names, brands.

To an encoder 42 is close to 43 and one brand to another. A customer who names one means that one: where any eligible product
carries such a word, those that do not carry it step back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from retrieval.documents import Vector
from retrieval.text import STOPWORDS, tokens

STEP_BACK = 0.5  # share of its score that a product loses which carries none of the words
OWN_SHARE = 0.5  # of the products in which a brand's name stands, how many must be of that brand
_SIZES = frozenset("xs xl xxs xxl xxxl 特大 加大 加大码 大码 中码 小码 均码".split())  # noqa: SIM905 - reads as a list
_LETTERS = frozenset("sml")  # a size beside a word that says so
_SAID = frozenset({"size", "码", "号", "尺码", "尺寸", "码数"})
_MONEY = frozenset("eur euro € $ usd dollar pound gbp 元 块 块钱 欧元 欧 美元 人民币 rmb".split())  # noqa: SIM905


def pinned(words: Sequence[str], brands: Collection[str]) -> list[str]:
    """Those of a question's words (in their order) that are meant literally; prices are not, for they are limits."""
    found: list[str] = []
    for place, word in enumerate(words):
        beside = {*words[max(0, place - 1) : place], *words[place + 1 : place + 2]}
        size = word in _SIZES or (word in _LETTERS and beside & _SAID)
        number = any(map(str.isdigit, word)) and not beside & _MONEY and (len(word) > 1 or beside & _SAID)
        if size or number or word in brands:
            found.append(word)
    return list(dict.fromkeys(found))


def stepped_back(scores: Vector, carries: NDArray[np.bool_]) -> Vector:
    """Float32 [n]: the scores, lowered where pinned words are lacking. `carries` [n, words]; what none carries asks for nothing."""
    asked = carries[:, carries.any(axis=0)]
    if not asked.shape[1]:
        return scores
    return np.asarray(scores * (1.0 - STEP_BACK * (1.0 - asked.mean(axis=1))), dtype=np.float32)


def brand_words(brand: str) -> list[str]:
    """The words of a brand's name that a question may name it by."""
    return [word for word in tokens(brand) if word not in STOPWORDS and len(word) > 1]
