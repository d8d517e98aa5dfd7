"""Conversation states of the risk model, kept between turns. A cache only: what is missing is rebuilt from stored vectors."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from assistant.turns.ports import State


@dataclass(frozen=True, slots=True)
class Kept:
    """The state after the message `seq`."""

    seq: int
    state: State


class StateCache:
    """The last state of each recent conversation. Used from one event loop only."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._kept: OrderedDict[tuple[str, str, str], Kept] = OrderedDict()

    def get(self, conversation_id: str, epoch: str, model: str, *, seq: int) -> Kept | None:
        """The state to go on from for the turn `seq`; None when there is none, or it has seen later messages."""
        key = (conversation_id, epoch, model)
        kept = self._kept.get(key)
        if kept is None or kept.seq > seq:
            return None
        self._kept.move_to_end(key)
        return kept

    def put(self, conversation_id: str, epoch: str, model: str, kept: Kept) -> None:
        """Keeps a state; the one that was used longest ago makes room."""
        key = (conversation_id, epoch, model)
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
