"""The holdout: contacts that are never treated, so that what treatment does can be measured. Salted hash, sticky."""

from __future__ import annotations

import hashlib


def in_holdout(customer_key: str, salt: str, rate: float) -> bool:
    """Whether the customer belongs to the holdout.

    Depends on the key and the salt alone, so it never changes from turn to turn or from worker to worker; a greater rate adds
    customers and removes none. Raises ValueError when `rate` is outside [0, 1].
    """
    if not 0.0 <= rate <= 1.0:
        raise ValueError("the holdout rate lies in [0, 1]")
    digest = hashlib.sha256(f"holdout\x00{salt}\x00{customer_key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < rate * 2**64
