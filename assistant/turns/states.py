"""Conversation states of the risk model, kept between turns. A cache only: what is missing is rebuilt from stored vectors."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from assistant.turns.ports import State
from retrieval.documents import Vector


@dataclass(frozen=True, slots=True)
class Kept:
    """The state after the message `seq`, in one epoch of the conversation, of one model.

    `unsaved` holds vectors by seq that came too late for the transaction of their turn.
    """

    seq: int
    epoch: str
    model: str
    state: State
    unsaved: Mapping[int, Vector] = field(default_factory=dict)


class StateCache:
    """The last state of each recent conversation. Used from one event loop only."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def before(self, conversation_id: str, seq: int, model: str) -> Kept | None:
        """A state to go on from for the message `seq`; None when there is none, or it has heard that message already."""
        kept = self._kept.get(conversation_id)
        if kept is None or kept.model != model or kept.seq >= seq:
            return None
        self._kept.move_to_end(conversation_id)
        return kept

    def put(self, conversation_id: str, kept: Kept) -> None:
        """Keeps a state, unless a later one is there already; the one that was used longest ago makes room."""
        known = self._kept.get(conversation_id)
        if known is not None and (known.epoch, known.model) == (kept.epoch, kept.model) and known.seq > kept.seq:
            return
        self._kept[conversation_id] = kept
        self._kept.move_to_end(conversation_id)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        return len(self._kept)
