"""Federated averaging is central learning where it must be, weighs shops by people, and can be repeated."""

from __future__ import annotations

import numpy as np
import pytest

from risk.errors import DataRefused
from risk.tuning import federated, fit
from risk.tuning.federated import Plan
from risk.tuning.layer import Rows, gradient, join

ONE_STEP = Plan(rounds=1, local=fit.Knobs(rate=0.5, epochs=1, batch=10_000))


def test_one_shop_and_one_full_step_is_a_central_step(big: Rows) -> None:
    found = federated.learn([big], ONE_STEP, seed=3)
    assert np.allclose(found, -0.5 * gradient(big, fit.zero(big)), atol=1e-12)
    assert np.allclose(found, fit.descend(big, fit.zero(big), ONE_STEP.local, np.random.default_rng(8)), atol=1e-12)


def test_one_full_step_of_several_shops_is_the_step_on_all_of_them(big: Rows, small: Rows) -> None:
    found = federated.learn([big, small], ONE_STEP, seed=3)
    everything = join([big, small])
    assert np.allclose(found, -0.5 * gradient(everything, fit.zero(everything)), atol=1e-12)
    equal = (fit.descend(big, fit.zero(big), ONE_STEP.local, np.random.default_rng(0)) +
             fit.descend(small, fit.zero(small), ONE_STEP.local, np.random.default_rng(0))) / 2  # fmt: skip
    assert not np.allclose(found, equal, atol=1e-6)  # a shop of 40 people does not weigh as one of 130


def test_a_run_can_be_repeated_and_the_seed_counts(big: Rows, small: Rows) -> None:
    plan = Plan(rounds=2)
    one, again, other = (federated.learn([big, small], plan, seed) for seed in (1, 1, 2))
    assert (one == again).all()
    assert (one != other).any()


def test_progress_counts_rounds(small: Rows) -> None:
    seen: list[tuple[int, int]] = []
    federated.learn([small], Plan(rounds=3), 1, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_a_shop_with_few_people_may_not_take_part(big: Rows, small: Rows) -> None:
    with pytest.raises(DataRefused, match="shop 2 has 7 people"):
        federated.learn([big, small.of(np.arange(7))], Plan(), 1)
    with pytest.raises(DataRefused, match="no shop"):
        federated.learn([], Plan(), 1)
