"""Intervals against published and simulated values."""

from __future__ import annotations

import random

import pytest

from assistant.review.statistics import LEAST_GROUP, difference, median, wilson


def test_wilson_matches_newcombes_table() -> None:
    """Newcombe (1998), method 3: 81 of 263 gives .2553 to .3662; 0 of 20 gives 0 to .1611."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_a_difference_matches_newcombes_table() -> None:
    """Newcombe (1998), method 10: 56/70 − 48/80 gives .0524 to .3339."""
    found = difference(56, 70, 48, 80)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert found.n == 150


def test_too_few_customers_give_no_difference() -> None:
    assert difference(10, LEAST_GROUP - 1, 10, 1000) is None
    assert difference(10, LEAST_GROUP, 10, LEAST_GROUP) is not None


def test_the_interval_holds_the_truth_about_nineteen_times_in_twenty() -> None:
    rng = random.Random(4)
    hits = 0
    for _ in range(400):
        a = sum(rng.random() < 0.6 for _ in range(80))
        b = sum(rng.random() < 0.5 for _ in range(60))
        found = difference(a, 80, b, 60)
        assert found is not None
        hits += found.low <= 0.1 <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_median() -> None:
    assert median([3, 1, 2]) == 2
    assert median([4, 1, 2, 3]) == 2.5
    assert median([]) is None
    assert median([1, 2], least=3) is None
