"""A log does not know the end of every story yet: who pretends it does is biased, and two rules are not."""

from __future__ import annotations

import numpy as np
import pytest

from risk.delayed import DAY, Spell, rates, staying_away

NOW = 1_800_000_000_000
HORIZON, LAG, SHOPS = 90, 3, 20


def shop(seed: int, *, customers: int = 500, away: float = 0.4, days: float = 180.0) -> list[Spell]:
    """Conversations spread over `days`; `away` of the customers order nothing for 90 days, the others after 1 to 90 of them."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(customers):
        ended = NOW - int(random.uniform(0, days) * DAY)
        after = random.uniform(91, 300) if random.random() < away else random.uniform(1, 90)
        found.append(Spell(f"c{number}", ended, ended + int(after * DAY)))
    return found


def test_naive_rules_are_biased_and_the_others_are_not() -> None:
    errors: dict[str, list[float]] = {name: [] for name in ("naive", "known", "matured", "weighted")}
    held = {"matured": 0, "weighted": 0, "naive": 0, "known": 0}
    for seed in range(SHOPS):
        found = rates(shop(seed), NOW, horizon_days=HORIZON, lag_days=LAG, seed=seed)
        for name in errors:
            figure = getattr(found, name)
            errors[name].append(figure.value - 0.4)
            held[name] += figure.low <= 0.4 <= figure.high
    mean = {name: float(np.mean(values)) for name, values in errors.items()}
    spread = {name: float(np.std(values)) for name, values in errors.items()}
    print({name: f"{mean[name]:+.3f} ± {spread[name]:.3f}, holds the truth {held[name]} of {SHOPS}" for name in errors})
    assert mean["naive"] > 0.1
    assert mean["known"] < -0.05
    assert abs(mean["matured"]) < 3 * spread["matured"] / SHOPS**0.5
    assert abs(mean["weighted"]) < 3 * spread["weighted"] / SHOPS**0.5
    assert max(held["naive"], held["known"]) <= 4  # their intervals are about the wrong value
    # 95 % of 20 are 19; fewer than 16 would come by chance once in 400 times.
    assert min(held["matured"], held["weighted"]) >= 16
    assert spread["weighted"] < spread["matured"]  # the young are not thrown away


def test_a_look_from_later_changes_the_naive_rule_and_not_the_matured_cohort() -> None:
    spells = shop(1)
    later = NOW + 93 * DAY
    all_known = rates(spells, later, horizon_days=HORIZON, lag_days=LAG)
    assert all_known.matured is not None
    assert all_known.known is not None
    values = {
        round(figure.value, 9) for figure in (all_known.naive, all_known.known, all_known.matured, all_known.weighted)
    }
    assert len(values) == 1  # once everything is known, all rules say the same
    assert all_known.n_matured == all_known.n


def test_orders_that_the_shop_has_not_told_yet_are_not_used() -> None:
    early = [Spell("a", NOW - 100 * DAY, NOW - 2 * DAY), Spell("b", NOW - 100 * DAY, NOW - 50 * DAY)]
    found = rates(early, NOW, horizon_days=HORIZON, lag_days=LAG)
    assert found.naive.value == 0.5
    with_later = [Spell("a", NOW - 20 * DAY, NOW - 2 * DAY), Spell("b", NOW - 20 * DAY, NOW - 10 * DAY)]
    assert rates(with_later, NOW, horizon_days=HORIZON, lag_days=LAG).naive.value == 0.5


def test_kaplan_and_meier_by_hand() -> None:
    days = np.array([1.0, 2.0, 2.0, 3.0, 90.0])
    came = np.array([True, True, False, True, False])
    assert staying_away(days, came, 90) == pytest.approx(4 / 5 * 3 / 4 * 1 / 2)
    assert staying_away(days, np.zeros(5, bool), 90) == 1.0
    assert staying_away(np.array([1.0, 1.0]), np.array([True, True]), 90) == 0.0
    assert staying_away(days, came, 2) == pytest.approx(4 / 5 * 3 / 4)


def test_nothing_matured_is_said_and_nothing_at_all_is_refused() -> None:
    found = rates([Spell("a", NOW - 5 * DAY, None)], NOW, horizon_days=HORIZON, lag_days=LAG)
    assert found.matured is found.known is None
    assert (found.n, found.n_matured) == (1, 0)
    with pytest.raises(ValueError, match="no conversation"):
        rates([], NOW, horizon_days=HORIZON, lag_days=LAG)
