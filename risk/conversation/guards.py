"""What must not be learnt from: a turn feature that is the label in disguise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from risk.conversation.data import DISSATISFIED
from risk.conversation.lexical import Turn
from risk.errors import DataRefused
from risk.metrics import auc
from risk.text import FEATURES

TOO_GOOD = 0.95  # AUC of one turn feature alone; the best honest one on real conversations has .66
MIN_TURNS = 100  # fewer may be separated by chance


def refuse_label_copies(turns: Sequence[Turn]) -> None:
    """Raises `DataRefused` when one feature alone tells dissatisfied turns from others: it was made of the label."""
    if len(turns) < MIN_TURNS:
        return
    bad = np.array([t.level == DISSATISFIED for t in turns], np.float64)
    features = np.stack([t.features for t in turns])
    for name, values in zip(FEATURES, features.T, strict=True):
        alone = auc(values, bad)
        if max(alone, 1 - alone) > TOO_GOOD:
            raise DataRefused(
                f"the turn feature {name} alone tells which turns are dissatisfied (AUC {alone:.2f}): it copies the label"
            )
