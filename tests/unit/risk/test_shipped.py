"""The shipped champion with the shipped encoder: it loads, and it says sensible things in both languages."""

from __future__ import annotations

import pytest

from retrieval.documents import Encoder
from retrieval.encoders import load as load_encoder
from risk.registry import load_champion
from risk.scorer import ChampionScorer
from risk.types import Message, RiskScore


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """The default encoder."""
    return load_encoder("use")


@pytest.fixture(scope="module")
def champion(encoder: Encoder) -> ChampionScorer:
    """The shipped model; refuses to load with any other encoder."""
    return load_champion(None, encoder_fingerprint=encoder.fingerprint)


def _score(champion: ChampionScorer, encoder: Encoder, text: str) -> RiskScore:
    state = champion.advance(champion.initial(), encoder.encode([text])[0], Message("contact", text))
    return champion.score(state, None, 1_750_000_000_000)


@pytest.mark.parametrize(
    "text", ["Two kettles broken, I'm done, cancel my account", "两个水壶都坏了,我受够了,把我的账号注销"]
)
def test_a_customer_who_announces_to_leave_is_at_high_risk_and_says_why(
    champion: ChampionScorer, encoder: Encoder, text: str
) -> None:
    score = _score(champion, encoder, text)
    assert score.band == "high"
    assert {"quality", "trust"} <= set(dict(score.reasons))


@pytest.mark.parametrize("text", ["thanks, that's great", "谢谢,太好了"])
def test_a_happy_customer_is_at_low_risk(champion: ChampionScorer, encoder: Encoder, text: str) -> None:
    score = _score(champion, encoder, text)
    assert score.band == "low"
    assert score.dissatisfaction < 0.1
    assert not score.reasons


@pytest.mark.parametrize(
    ("glad", "angry"),
    [
        ("It arrived today, perfect", "It still has not arrived, ridiculous"),
        ("今天收到了,很好", "到现在还没收到,太过分了"),
    ],
)
def test_anger_is_read_in_both_languages(champion: ChampionScorer, encoder: Encoder, glad: str, angry: str) -> None:
    assert _score(champion, encoder, angry).dissatisfaction > 0.3 + _score(champion, encoder, glad).dissatisfaction
