"""The served champion, on a tiny model trained for real: laws that every scorer keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from retrieval.encoders import load as load_encoder
from risk.scorer import ChampionScorer, ServedState, checked
from risk.types import History, Message, ModelFault, OrderRecord

DAY = 86_400_000
NOW = 1_750_000_000_000
TALK = (
    "where is my order?",
    "> please wait",
    "this is terrible, still broken",
    "> 抱歉,请稍等",
    "I'm done, cancel my account",
)

Play = Callable[..., list[ServedState]]


def _loyal() -> History:
    stamps = [NOW - DAY * days for days in (200, 160, 120, 80, 40, 10)]
    return History(orders=tuple(OrderRecord(f"o{i}", t, t, 5_000, 2, 1) for i, t in enumerate(stamps)))


def test_appending_messages_never_changes_an_earlier_score(scorer: ChampionScorer, play: Play) -> None:
    whole = play(*TALK)
    for n in range(1, len(TALK) + 1):
        assert scorer.score(play(*TALK[:n])[-1], _loyal(), NOW) == scorer.score(whole[n - 1], _loyal(), NOW)


def test_what_happens_after_as_of_changes_nothing(scorer: ChampionScorer, play: Play) -> None:
    state = play(*TALK)[-1]
    late = OrderRecord("late", NOW + 1, NOW + 1, 9_999)
    unknown = OrderRecord("unknown", NOW - DAY, NOW + 1, 9_999)  # happened before, became known after
    later = replace(_loyal(), orders=(*_loyal().orders, late, unknown))
    assert scorer.score(state, later, NOW) == scorer.score(state, _loyal(), NOW)


def test_leaving_words_have_a_direction(scorer: ChampionScorer, play: Play) -> None:
    for away, towards in (
        ("I'm switching from you to Amazon", "I'm switching to you from Amazon"),
        ("我要从你们家换到淘宝", "我从淘宝换到你们家了"),
    ):
        assert scorer.score(play(away)[-1], None, NOW).churn > 0.2 + scorer.score(play(towards)[-1], None, NOW).churn


def test_anger_scores_above_thanks_and_the_drivers_say_which_turn(scorer: ChampionScorer, play: Play) -> None:
    angry = scorer.score(
        play("where is my order?", "> please wait", "this is terrible, still broken, cancel my account")[-1], None, NOW
    )
    glad = scorer.score(play("where is my order?", "> please wait", "thanks, that's great")[-1], None, NOW)
    assert angry.churn > glad.churn
    assert angry.dissatisfaction > glad.dissatisfaction
    assert angry.drivers[0].kind == "turn"
    assert angry.drivers[0].seq == 3
    assert angry.drivers[0].effect > 0


def test_a_request_for_a_person_is_a_need_for_one(scorer: ChampionScorer, play: Play) -> None:
    for text in ("I want to talk to a human", "转人工"):
        assert scorer.score(play(text)[-1], None, NOW).need_human > 0.95


def test_reasons_come_from_the_words_and_stay_a_while(scorer: ChampionScorer, play: Play) -> None:
    score = scorer.score(play("two kettles broken, poor quality", "> please wait", "hello?")[-1], None, NOW)
    assert "quality" in dict(score.reasons)


def test_an_anonymous_visitor_and_an_empty_chat_both_score(scorer: ChampionScorer) -> None:
    for history in (None, History(), _loyal()):
        score = scorer.score(scorer.initial(), history, NOW)
        assert 0 < score.low <= score.churn <= score.high < 1
        assert score.cold_start
        assert score.versions["model"] == scorer.version
    assert scorer.score(scorer.initial(), None, NOW).features["recency_days"] is None


def test_history_moves_the_score_and_is_named_as_a_driver(scorer: ChampionScorer) -> None:
    gone = History(orders=(OrderRecord("o", NOW - 180 * DAY, NOW - 180 * DAY, 5_000),))
    lost, kept = (scorer.score(scorer.initial(), h, NOW) for h in (gone, _loyal()))
    assert lost.churn > kept.churn
    assert any(d.kind == "history" for d in lost.drivers)


def test_one_state_serves_many_threads(scorer: ChampionScorer, play: Play) -> None:
    state = play(*TALK)[-1]
    expected = scorer.score(state, _loyal(), NOW)
    with ThreadPoolExecutor(8) as pool:
        assert all(s == expected for s in pool.map(lambda _: scorer.score(state, _loyal(), NOW), range(64)))


@pytest.mark.parametrize("vector", [np.full(256, np.nan), np.full(256, np.inf), np.zeros(3)])
def test_a_bad_vector_is_a_fault_not_a_score(scorer: ChampionScorer, vector: np.ndarray) -> None:
    with pytest.raises(ModelFault):
        scorer.advance(scorer.initial(), vector, Message("contact", "hello"))


def test_a_state_of_another_model_is_a_fault(scorer: ChampionScorer) -> None:
    with pytest.raises(ModelFault):
        scorer.score({"not": "ours"}, None, NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"churn": math.nan},
        {"high": 1.5},
        {"need_human": math.inf},
        {"dissatisfaction": -0.1},
        {"low": 0.99, "high": 0.99},
    ],
)
def test_nothing_but_probabilities_leaves(scorer: ChampionScorer, change: dict[str, float]) -> None:
    honest = scorer.score(scorer.initial(), None, NOW)
    with pytest.raises(ModelFault):
        checked(replace(honest, **change))


def test_a_poisoned_state_never_becomes_a_score(scorer: ChampionScorer, play: Play) -> None:
    state = play(*TALK)[-1]
    with pytest.raises(ModelFault):
        scorer.score(replace(state, shift=math.nan), None, NOW)


def test_the_state_stays_small(play: Play) -> None:
    states = play(*(["where is my order?", "> please wait"] * 60))
    assert len(states[-1].moves) <= 6
    assert states[-1].conversation.hidden.nbytes < 8_192


def test_the_encoder_is_the_one_it_was_trained_with(scorer: ChampionScorer) -> None:
    assert scorer.encoder_fingerprint == load_encoder("hash").fingerprint
