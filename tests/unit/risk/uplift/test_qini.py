from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.uplift.qini import Estimate, bootstrap, interval, qini, qini_curve, uplift_at


def slow_curve(scores: list[float], treated: list[bool], outcome: list[float]) -> tuple[list[float], list[float]]:
    """The definition, point by point."""
    counts, gains = [0.0], [0.0]
    for cut in sorted(set(scores), reverse=True):
        inside = [n for n, score in enumerate(scores) if score >= cut]
        t = [n for n in inside if treated[n]]
        c = [n for n in inside if not treated[n]]
        ratio = len(t) / len(c) if c else 0.0
        counts.append(float(len(inside)))
        gains.append(sum(outcome[n] for n in t) - sum(outcome[n] for n in c) * ratio)
    return counts, gains


rows = st.lists(
    st.tuples(st.integers(0, 6).map(float), st.booleans(), st.integers(0, 1).map(float)), min_size=4, max_size=60
)


@given(rows)
def test_the_curve_is_the_definition(given_rows: list[tuple[float, bool, float]]) -> None:
    scores, treated, outcome = (list(column) for column in zip(*given_rows, strict=True))
    count, gain = qini_curve(scores, treated, outcome)
    wanted = slow_curve(scores, treated, outcome)
    assert count.tolist() == wanted[0]
    assert gain.tolist() == pytest.approx(wanted[1])


@given(rows, st.randoms(use_true_random=False))
def test_order_of_rows_and_scale_of_scores_do_not_matter(
    given_rows: list[tuple[float, bool, float]], random: object
) -> None:
    shuffled = list(given_rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = qini(*zip(*given_rows, strict=True))
    other = qini(*zip(*[(3 * score + 1, t, y) for score, t, y in shuffled], strict=True))
    assert (math.isnan(one) and math.isnan(other)) or one == pytest.approx(other)


def test_hindsight_is_one_its_reverse_negative_and_no_ranking_zero() -> None:
    random = np.random.default_rng(0)
    treated = random.random(4000) < 0.5
    outcome = (random.random(4000) < 0.2).astype(float)
    best = outcome * np.where(treated, 1.0, -1.0)
    assert qini(best, treated, outcome) == pytest.approx(1.0)
    assert qini(-best, treated, outcome) < -0.3
    assert qini(np.zeros(4000), treated, outcome) == pytest.approx(0.0)


def test_nothing_to_measure_is_not_a_number() -> None:
    assert math.isnan(qini([1, 2], [True, True], [1, 0]))
    assert math.isnan(qini([1, 2], [True, False], [0, 0]))
    assert Estimate(float("nan"), 0.0, 1.0).as_json() == {"value": None, "low": 0.0, "high": 1.0}


def test_known_effects_are_found_at_the_top() -> None:
    random = np.random.default_rng(1)
    x = random.random(20_000)
    treated = random.random(20_000) < 0.5
    outcome = (random.random(20_000) < 0.1 + 0.3 * treated * (x > 0.7)).astype(float)
    assert uplift_at(x, treated, outcome, 0.3) == pytest.approx(0.3, abs=0.03)
    assert uplift_at(-x, treated, outcome, 0.3) == pytest.approx(0.0, abs=0.03)
    assert math.isnan(uplift_at(x, np.ones(20_000, bool), outcome))


@settings(deadline=None, max_examples=5)
@given(st.integers(0, 1000))
def test_intervals_are_repeatable_and_paired(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, treated = random.random(2000), random.random(2000) < 0.5
    outcome = (random.random(2000) < 0.2 + 0.3 * treated * x).astype(float)
    first = bootstrap({"a": x, "b": 2 * x}, treated, outcome, rounds=30, seed=3)
    again = bootstrap({"a": x}, treated, outcome, rounds=30, seed=3)
    assert first["a"].tolist() == again["a"].tolist() == first["b"].tolist()
    found = interval(qini(x, treated, outcome), first["a"])
    assert found.low <= found.high
