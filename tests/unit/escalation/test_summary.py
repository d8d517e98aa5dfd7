"""The summary says nothing that was not said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assistant.escalation.summary import LONGEST, summarise


@dataclass
class Score:
    churn: float | None


def said(seq: int, sender: str, body: str | None, kind: str = "message", **data: Any) -> dict[str, Any]:
    return {"seq": seq, "sender": sender, "kind": kind, "body": body, "data": data}


def test_it_quotes_what_says_most_in_the_order_it_was_said() -> None:
    events = [
        said(1, "contact", "Hi"),
        said(2, "bot", "Hello! How can I help? Tell me."),
        said(3, "contact", "The replacement kettle you sent leaks at the base as well"),
        said(4, "contact", "ok"),
        said(5, "contact", "I'm done"),
    ]
    scores = {1: Score(0.2), 3: Score(0.4), 4: Score(0.4), 5: Score(0.9)}
    found = summarise(events, scores, "en-GB")
    assert found == {
        "problem": "The replacement kettle you sent leaks at the base as well … I'm done",
        "done": ["Hello!"],
        "offered": [],
        "language": "en",
    }


def test_it_works_in_chinese_and_without_scores() -> None:
    events = [
        said(1, "contact", "在吗"),
        said(2, "bot", "您好。请问有什么可以帮您？"),
        said(3, "contact", "我上周买的水壶漏水，已经换过一次了，还是漏"),
    ]
    found = summarise(events, {}, "zh-CN")
    assert found is not None
    assert found["problem"] == "在吗 … 我上周买的水壶漏水，已经换过一次了，还是漏"
    assert found["done"] == ["您好。"]
    assert found["language"] == "zh"


def test_offers_come_with_their_answers() -> None:
    events = [
        said(1, "contact", "too expensive"),
        said(2, "bot", "Here", "offer", offer={"decision": "D1", "id": "v10", "title": "€10 voucher"}),
        said(3, "contact", None, "offer_answer", decision="D1", offer="v10", accepted=False),
        said(4, "bot", "Or", "offer", offer={"decision": "D2", "id": "ship", "title": "Free shipping"}),
        said(5, "contact", None, "offer_answer", decision="D2", offer="ship", accepted=True),
        said(6, "bot", "And", "offer", offer={"decision": "D3", "id": "x"}),
    ]
    found = summarise(events, {}, "en")
    assert found is not None
    assert found["offered"] == ["€10 voucher ✗", "Free shipping ✓", "x"]


def test_long_and_repeated_texts_are_cut_and_merged() -> None:
    events = [said(n, "contact", "a" * 500) for n in (1, 2)] + [
        said(3, "bot", "No full stop " * 40),
        said(4, "bot", "No full stop " * 40),
    ]
    found = summarise(events, {}, "en")
    assert found is not None
    assert found["problem"] == "a" * (LONGEST - 1) + "…"
    assert len(found["done"]) == 1
    assert len(found["done"][0]) <= LONGEST


def test_silence_has_no_summary() -> None:
    assert summarise([said(1, "bot", "Hello")], {}, "en") is None
