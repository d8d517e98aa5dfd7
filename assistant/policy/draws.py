"""Draws that can be made again: the number that picks an action is a keyed hash of what the decision is about.

seed = HMAC-SHA256(installation secret, conversation, seq, policy version); draw = its first 53 bits as a fraction. The seed is
logged, so the draw, and with it the action, can be checked from the log alone; the key keeps anybody outside from predicting it.
"""

from __future__ import annotations

import hashlib
import hmac


def seed_for(secret: bytes, conversation_id: str, seq: int, policy_version: str) -> str:
    """64 hexadecimal digits."""
    message = f"draw\x00{conversation_id}\x00{seq}\x00{policy_version}".encode()
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def draw_from(seed: str) -> float:
    """A uniform number in [0, 1), a function of the seed alone. Raises ValueError when the seed is not one of ours."""
    if len(seed) != 64:
        raise ValueError("a seed has 64 hexadecimal digits")
    return (int(seed[:16], 16) >> 11) / 2**53
