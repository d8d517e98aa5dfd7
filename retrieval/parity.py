"""Whether two ways of computing the same model give the same vectors, asked with texts of both languages and every length."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from retrieval import playbook
from retrieval.documents import Vector

SAME: Final = 0.9999  # lowest cosine at which vectors may stand for each other
SAFELY: Final = 0.99995  # asked of half precision: a probe does not see every text, so half of the room is kept
_STEP: Final = 41
_ODD: Final = ("", "?", "。", "12.50", "👍", "https://example.com/orders/4711?lang=zh", "no " * 200, "太慢了" * 60)


def texts() -> list[str]:
    """Some 110 texts: customers' wordings and replies of the packaged playbook, and a few that are odd. Always the same."""
    scripts, _ = playbook.load(playbook.packaged())
    wordings = [text for script in scripts for text in (*script.examples, script.text)]
    return [*wordings[::_STEP], *_ODD]


def version() -> str:
    """Changes with the texts: what an older probe found says nothing of a newer one."""
    return hashlib.sha256("\0".join(texts()).encode()).hexdigest()[:8]


def lowest_cosine(one: Vector, other: Vector) -> float:
    """Over the rows of two arrays of unit vectors, float32 [n, d]."""
    return float(np.min((one * other).sum(axis=1)))
