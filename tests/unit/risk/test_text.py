"""Turn features: causal, bounded, and sensitive to what they claim to see."""

from __future__ import annotations

import numpy as np

from risk.text import FEATURES, MEMORY, TextState, observe
from risk.types import Message


def _features(*texts: str, gap_ms: int | None = None) -> list[dict[str, float]]:
    state, found = TextState(), []
    for i, text in enumerate(texts):
        reply = text.startswith("> ")
        at = None if gap_ms is None else 1_000 + i * gap_ms
        state, values = observe(state, Message("bot" if reply else "contact", text.removeprefix("> "), at))
        found.append(dict(zip(FEATURES, values.tolist(), strict=True)))
    return found


def test_repetition_of_the_own_request_is_seen_across_a_reply() -> None:
    first, _, again, other = _features("Where is my order?", "> On its way", "where is my order", "I want a kettle")
    assert first["repeat"] == 0
    assert again["repeat"] > 0.8
    assert other["repeat"] < 0.3


def test_an_exact_repetition_is_seen() -> None:
    assert _features("退款", "> 稍等", "退款")[2]["repeat_exact"] == 1


def test_an_apology_and_a_request_to_wait_reach_the_next_turn() -> None:
    _, reply, after = _features("坏了", "> 抱歉,请稍等", "好")
    assert reply["apology"] == 1
    assert after["reply_apology"] == after["reply_waits"] == 1


def test_delay_is_read_from_the_times() -> None:
    _, late = _features("hi", "> hello", gap_ms=600_000)
    assert np.isclose(late["delay"], np.log1p(10))
    assert _features("hi", "> hello")[1]["delay"] == 0


def test_the_state_stays_bounded() -> None:
    state = TextState()
    for i in range(200):
        state, _ = observe(state, Message("contact", f"message number {i} " * 100))
    assert len(state.own) == MEMORY
    assert all(len(grams) <= 160 for grams in state.own)


def test_strange_texts_give_finite_features() -> None:
    for text in ("", " ", "?", "\u200b", "😡" * 50, "\ud800"):
        assert np.isfinite(observe(TextState(), Message("contact", text))[1]).all()
