"""The served step is the trained network: same numbers, one message at a time."""

from __future__ import annotations

import numpy as np
import torch

from risk.conversation.net import Net, export
from risk.conversation.step import ConversationModel
from risk.text import WIDTH


def test_numpy_steps_equal_the_torch_network() -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    mean, scale = rng.normal(size=WIDTH).astype(np.float32), rng.uniform(0.5, 2, WIDTH).astype(np.float32)
    nets = [Net(16, mean, scale).eval() for _ in range(3)]
    served = ConversationModel([export(n) for n in nets], 1.0, (1.0, 0.0))
    vectors, features = rng.normal(size=(40, 16)).astype(np.float32), rng.normal(size=(40, WIDTH)).astype(np.float32)
    with torch.no_grad():
        outs = [n(torch.from_numpy(vectors)[None], torch.from_numpy(features)[None]) for n in nets]
    state = served.initial()
    for t in range(40):
        state = served.advance(state, vectors[t], features[t])
        levels, ahead, sentiment = served.logits(state)
        np.testing.assert_allclose(levels, np.mean([o[0][0, t].numpy() for o in outs], axis=0), atol=1e-5)
        np.testing.assert_allclose(ahead, np.mean([o[1][0, t].numpy() for o in outs]), atol=1e-5)
        np.testing.assert_allclose(sentiment, np.mean([o[2][0, t].numpy() for o in outs]), atol=1e-5)


def test_a_step_leaves_the_given_state_alone() -> None:
    net = Net(8, np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32))
    served = ConversationModel([export(net)], 1.0, (1.0, 0.0))
    state = served.initial()
    served.advance(state, np.ones(8, np.float32), np.ones(WIDTH, np.float32))
    assert not state.any()
