"""The served step is the trained model: same numbers, one message at a time."""

from __future__ import annotations

import numpy as np
import torch

from risk.calibration import sigmoid
from risk.conversation import lexical
from risk.conversation.habits import HABITS
from risk.conversation.lexical import Lexical, Turn, grams
from risk.conversation.mixing import centred
from risk.conversation.net import Net, export
from risk.conversation.step import READOUT, ConversationModel, Heads, together
from risk.text import WIDTH
from risk.types import Message


def _heads(ratio: float = 2.0) -> Heads:
    return Heads(1.0, ratio, (1.0, 1.0, 0.0), np.zeros(READOUT + 1), np.zeros((3, READOUT + 1)), 0.3)


def _lexical(dim: int) -> Lexical:
    rng = np.random.default_rng(4)
    texts = ["谢谢,很好", "where is it?", "太差了,还没到", "great thanks"] * 6
    turns = [
        Turn(t, rng.normal(size=WIDTH).astype(np.float32), rng.normal(size=dim).astype(np.float32), (2, 1, 0, 2)[i % 4])
        for i, t in enumerate(texts)
    ]
    return lexical.fit(turns, rng.dirichlet(np.ones(HABITS), len(turns)))


def test_numpy_steps_equal_the_torch_network() -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    mean, scale = rng.normal(size=WIDTH).astype(np.float32), rng.uniform(0.5, 2, WIDTH).astype(np.float32)
    nets = [Net(16, mean, scale, 0.3).eval() for _ in range(3)]
    reader = _lexical(16)
    served = ConversationModel([export(n) for n in nets], reader, _heads())
    vectors, features = rng.normal(size=(40, 16)).astype(np.float32), rng.normal(size=(40, WIDTH)).astype(np.float32)
    texts = [f"还没到 {t}" for t in range(40)]
    linear = np.array([reader.by_habit(grams(t), f, v) for t, f, v in zip(texts, features, vectors, strict=True)])
    inputs = torch.from_numpy(features)[None]
    with torch.no_grad():
        outs = [n(torch.from_numpy(vectors)[None], inputs) for n in nets]
    levels = together(centred(np.mean([o[0][0].numpy() for o in outs], axis=0)), linear, reader.prior, 0.3)
    state = served.initial()
    for t in range(40):
        state = served.advance(state, vectors[t], Message("contact", texts[t]), features[t])
        np.testing.assert_allclose(state.now, levels[t], atol=1e-5)
        np.testing.assert_allclose(
            served.sentiment(state.hidden), np.mean([o[1][0, t].numpy() for o in outs]), atol=1e-5
        )


def test_a_step_leaves_the_given_state_alone() -> None:
    served = ConversationModel(
        [export(Net(8, np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32), 0.3))], _lexical(8), _heads()
    )
    state = served.initial()
    served.advance(state, np.ones(8, np.float32), Message("contact", "hi"), np.ones(WIDTH, np.float32))
    assert not state.hidden.any()
    assert state.turns == 0


def test_dissatisfaction_falls_when_satisfied_is_the_alternative() -> None:
    heads = _heads(ratio=3.0)
    neutral, satisfied = np.log([0.4, 0.5, 0.1]), np.log([0.4, 0.1, 0.5])
    assert sigmoid(heads.bad_score(neutral)) > sigmoid(heads.bad_score(satisfied))


def test_the_linear_reader_learns_characters_and_forgets_unknown_languages() -> None:
    reader = _lexical(4)
    for text, level in (("谢谢,很好", 2), ("太差了", 0), ("where is it?", 1)):
        assert reader.logits(grams(text), reader.mean, reader.vector_mean).argmax() == level
    strange = reader.row(grams("Где мой заказ?"))[1]
    known = reader.row(grams("谢谢,很好"))[1]
    assert np.linalg.norm(strange) < 0.5 < np.linalg.norm(known)


def test_a_long_page_costs_what_a_long_turn_costs() -> None:
    reader = _lexical(4)
    assert reader.row(grams("谢" * 4_000)) == reader.row(grams("谢" * 200))
