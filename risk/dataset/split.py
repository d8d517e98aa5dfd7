"""Which cases of a training set may teach, and which are kept to judge what was learnt: one rule for whoever trains and gates."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from risk.dataset.rows import Case

HELD_SHARE: Final = 0.3  # of customers: a challenger is never trained on them
HELD_SINCE: Final = 0.5  # quantile of time from which on their conversations judge


def held(case: Case) -> bool:
    """Whether a customer is kept from training: by a hash of the key, so that it is the same in every training set."""
    digest = hashlib.sha256(f"held:{case.customer}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < HELD_SHARE


def split(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """Cases to train on, and cases to judge by: other customers, and only the later part of the time."""
    if not cases:
        return [], []
    since = float(np.quantile([case.ended_at for case in cases], HELD_SINCE))
    train = [case for case in cases if not held(case)]
    judge = [case for case in cases if held(case) and case.ended_at >= since]
    return train, judge
