"""Whether what was served can be had again: a sample of the newest turns, encoded and counted anew.

A difference between what the model saw and what the log would give to training (training–serving skew) makes every figure about the
next model worthless, and nothing else shows it. Vectors must agree to a cosine of `LEAST_COSINE`; history features to 1e-6, with
what was known at the time of the decision. A feature set of another version is another set, and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import Connection, select

from assistant.shop.history import load_history
from assistant.storage.tables import conversation, decision, event, turn_vector
from retrieval.documents import Encoder
from risk.history.features import FEATURES, features
from risk.types import History

SAMPLE: Final = 50
LEAST_COSINE: Final = 0.9999
TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Skew:
    """What was compared. `differing` names decisions whose features came out otherwise, each with one feature."""

    vectors: int
    worst_cosine: float
    decisions: int
    differing: tuple[tuple[str, str], ...]

    @property
    def sound(self) -> bool:
        """Whether nothing differs."""
        return self.worst_cosine >= LEAST_COSINE and not self.differing


def measure(connection: Connection, encoder: Encoder, *, sample: int = SAMPLE) -> Skew:
    """Over the newest `sample` vectors and decisions."""
    cosines = _cosines(connection, encoder, sample)
    compared, differing = _features(connection, sample)
    return Skew(len(cosines), min(cosines, default=1.0), compared, tuple(differing))


def _cosines(connection: Connection, encoder: Encoder, sample: int) -> list[float]:
    rows = connection.execute(
        select(turn_vector.c.vector, event.c.body)
        .join(
            event,
            (event.c.conversation_id == turn_vector.c.conversation_id) & (event.c.seq == turn_vector.c.seq),
        )
        .where(turn_vector.c.fingerprint == encoder.fingerprint, event.c.body.is_not(None))
        .order_by(event.c.id.desc())
        .limit(sample)
    ).all()
    if not rows:
        return []
    again = encoder.encode([row.body for row in rows])
    return [_cosine(np.frombuffer(row.vector, dtype="<f4"), vector) for row, vector in zip(rows, again, strict=True)]


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    if a.shape != b.shape:
        return 0.0
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else 0.0


def _features(connection: Connection, sample: int) -> tuple[int, Sequence[tuple[str, str]]]:
    rows = connection.execute(
        select(decision.c.id, decision.c.site_id, decision.c.features, decision.c.as_of, conversation.c.contact_id)
        .join(conversation, conversation.c.id == decision.c.conversation_id)
        .where(decision.c.score.is_not(None), conversation.c.head > 0)  # 0: erased, and its history with it
        .order_by(decision.c.id.desc())
        .limit(sample)
    ).all()
    compared, differing = 0, []
    for row in rows:
        if not set(FEATURES) <= set(row.features):
            continue
        past = load_history(connection, site_id=row.site_id, contact_id=row.contact_id, as_of=row.as_of)
        again = features(past if past is not None else History(), row.as_of)
        compared += 1
        for name, value in zip(FEATURES, again, strict=True):
            if not _same(row.features[name], float(value)):
                differing.append((row.id, name))
                break
    return compared, differing


def _same(served: float | None, again: float) -> bool:
    if served is None or math.isnan(again):
        return served is None and math.isnan(again)
    return abs(served - again) <= TOLERANCE * max(1.0, abs(served))
