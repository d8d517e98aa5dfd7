"""The same rounds carried by Flower: its engine on this machine, a process a shop, where the extra `federated` is installed."""

from __future__ import annotations

import numpy as np
import pytest

from risk.tuning import federated, fit
from risk.tuning.federated import Plan
from risk.tuning.layer import Rows

pytest.importorskip("flwr", reason="the extra [federated] is not installed")
pytest.importorskip("ray", reason="Flower's engine on one machine is Ray")
pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
]


def shop(people: int, seed: int) -> Rows:
    """Rows that nobody said, of the shape that a small model sees."""
    draw = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), 3)
    level = draw.integers(0, 3, len(person))
    inputs = draw.normal(size=(len(person), 12)) * 0.3 + level[:, None] * 0.1
    base = draw.normal(size=(len(person), 2, 3))
    return Rows(inputs, base, level, person, person, np.array([0.4, 0.6]), 1.2)


def test_over_flower_the_layer_is_what_it_is_in_one_process() -> None:
    from risk.tuning import flower

    shops, plan = [shop(30, 1), shop(80, 2)], Plan(rounds=2, local=fit.Knobs(epochs=1, batch=16))
    found = flower.simulate(shops, plan, seed=7)
    assert np.allclose(found, federated.learn(shops, plan, seed=7), atol=1e-9)
