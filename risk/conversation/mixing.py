"""Readings under several habits of annotators, put together: numpy only, so that training and serving share it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from risk.calibration import softmax

Floats = NDArray[np.float64]
TINY = 1e-9


def centred(logits: ArrayLike) -> Floats:
    """Logits that add to 0 along the last axis: the same distribution, one representation of it."""
    z = np.asarray(logits, dtype=np.float64)
    return np.asarray(z - z.mean(axis=-1, keepdims=True))


def marginal(logits: Floats, prior: ArrayLike) -> Floats:
    """log Σₕ πₕ softmax(logitsₕ), centred: [.., habits, 3] and [habits] → [.., 3]. With one habit the logits themselves."""
    if logits.shape[-2] == 1:
        return centred(logits[..., 0, :])
    mixed = np.einsum("h,...hc->...c", np.asarray(prior, np.float64), softmax(logits))
    return centred(np.log(mixed + TINY))
