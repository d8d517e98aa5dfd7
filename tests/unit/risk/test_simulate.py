from __future__ import annotations

import numpy as np
import pytest

from risk.simulate import COSTS, POLICIES, as_json, believed, chances, draw_customers, run


def test_risk_says_little_about_whom_treatment_helps() -> None:
    people = draw_customers(20_000, np.random.default_rng(0))
    assert abs(float(np.corrcoef(people.risk, people.effects[:, 1])[0, 1])) < 0.3
    assert (people.effects[:, 1] < 0).any()  # some are better left alone
    assert ((people.stay[:, None] + people.effects >= 0) & (people.stay[:, None] + people.effects <= 1)).all()
    assert np.corrcoef(people.risk, 1 - people.stay)[0, 1] > 0.8  # the risk model itself is good


def test_policies_draw_with_a_floor() -> None:
    people = draw_customers(500, np.random.default_rng(1))
    for policy in POLICIES:
        shares = chances(believed(policy, people, None))
        assert shares.shape == (500, len(COSTS))
        assert np.allclose(shares.sum(axis=1), 1.0)
        assert shares.min() >= 0.02 - 1e-12


def test_the_answer_is_plain_and_repeatable() -> None:
    one, two = (as_json(run(rounds=1, customers=300, seed=5)) for _ in range(2))
    assert one == two
    assert set(one["rounds"][0]["value"]) == set(POLICIES)
    assert one["rounds"][0]["best_possible"] == pytest.approx(30, abs=3)
