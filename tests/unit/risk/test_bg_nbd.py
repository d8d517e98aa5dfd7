"""BG/NBD against what was published on CDNOW (Fader, Hardie and Lee, 2005), and why P(alive) is no churn score."""

from __future__ import annotations

import numpy as np
import pytest

from risk.errors import DataRefused
from risk.history.bg_nbd import BgNbd, fit
from risk.metrics import auc

PUBLISHED = BgNbd(0.243, 4.414, 0.793, 2.426)  # weeks


def made_up(customers: int, weeks: float, ahead: float, seed: int) -> tuple[np.ndarray, ...]:
    """(x, t_x, T, purchases ahead) of customers who behave as the model says."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(customers):
        rate, leaves = rng.gamma(PUBLISHED.r, 1 / PUBLISHED.alpha), rng.beta(PUBLISHED.a, PUBLISHED.b)
        observed = rng.uniform(weeks / 2, weeks)
        at, times = 0.0, []
        while not times or rng.random() >= leaves:
            at += rng.exponential(1 / rate)
            if at > observed + ahead:
                break
            times.append(at)
        seen = [t for t in times if t <= observed]
        rows.append((len(seen), seen[-1] if seen else 0.0, observed, len(times) - len(seen)))
    return tuple(np.array(rows).T)


def test_the_published_customer() -> None:
    assert PUBLISHED.expected(39, 2, 30.43, 38.86) == pytest.approx(1.226, abs=5e-4)
    assert PUBLISHED.p_alive(2, 30.43, 38.86) == pytest.approx(0.7266, abs=1e-4)


def test_the_unit_of_time_does_not_matter() -> None:
    days = BgNbd(0.243, 4.414 * 7, 0.793, 2.426)
    customers = (np.array([0, 1, 5]), np.array([0.0, 10, 30]), np.array([20.0, 38, 38]))
    weeks = PUBLISHED.expected(13, *customers)
    np.testing.assert_allclose(days.expected(91, customers[0], customers[1] * 7, customers[2] * 7), weeks, rtol=1e-9)


def test_a_fit_finds_a_likelier_model_than_the_truth_and_foresees_the_purchases() -> None:
    x, t_x, observed, ahead = made_up(1_500, 60, 13, seed=1)
    found = fit(x, t_x, observed)
    assert found.log_likelihood(x, t_x, observed).sum() > PUBLISHED.log_likelihood(x, t_x, observed).sum()
    assert found.expected(13, x, t_x, observed).sum() == pytest.approx(ahead.sum(), rel=0.15)


def test_who_bought_once_is_alive_for_ever_yet_expected_less_and_less() -> None:
    """P(alive) of a one-time buyer is 1 however long the silence: as a churn score it is upside down."""
    once = (np.zeros(4), np.zeros(4), np.array([5.0, 50, 500, 5_000]))
    np.testing.assert_array_equal(PUBLISHED.p_alive(*once), np.ones(4))
    assert (np.diff(PUBLISHED.expected(13, *once)) < 0).all()
    x, t_x, observed, ahead = made_up(1_500, 60, 13, seed=2)
    gone = ahead == 0
    assert auc(-PUBLISHED.expected(13, x, t_x, observed), gone) > auc(-PUBLISHED.p_alive(x, t_x, observed), gone) + 0.1


def test_too_few_customers_are_refused() -> None:
    with pytest.raises(DataRefused, match="BG/NBD"):
        fit([1, 2], [3, 4], [5, 6])
    with pytest.raises(DataRefused, match="came back"):
        fit(np.zeros(50), np.zeros(50), np.arange(50) + 1)
