from __future__ import annotations

from dataclasses import replace
from typing import Any

from assistant.conversations.store import NewEvent, append
from risk.types import Driver, RiskScore

MOVED = RiskScore(0.7, 0.7, 0.6, 0.8, dissatisfaction=0.8, need_human=0.3, band="high")


async def test_a_driver_names_the_turn_by_its_event_whatever_stands_between(shop: Any) -> None:
    await shop.turn("where is my parcel")  # events 1 and 2: the question, the answer
    shop.storage.write_sync(
        lambda c: append(c, shop.conversation_id, NewEvent("system", "returned", data={"agent": "Mara"}), now=1)
    )
    third_heard = Driver("turn", "turn", 0.5, seq=3)  # the model has heard three messages; the event is the fourth
    unknown = Driver("turn", "turn", 0.1, seq=9)
    from_history = Driver("history", "recency_days", -0.1, 12.0)
    shop.scorer.answers = replace(MOVED, drivers=(third_heard, unknown, from_history))
    await shop.turn("that is the second time")
    assert shop.events[3].body == "that is the second time"
    assert shop.scores[-1].drivers == [
        {"kind": "turn", "code": "turn", "effect": 0.5, "value": None, "seq": 4},
        {"kind": "turn", "code": "turn", "effect": 0.1, "value": None},
        {"kind": "history", "code": "recency_days", "effect": -0.1, "value": 12.0},
    ]
