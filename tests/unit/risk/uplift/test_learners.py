"""Every learner must pass the same suite: it finds a known effect, repeats itself, and leaves its input alone."""

from __future__ import annotations

import numpy as np
import pytest

from risk.uplift.learners import LEARNERS
from risk.uplift.measure import choose, cross_fit, split
from risk.uplift.qini import qini


def trial(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Effect .25 where x0 > 0, none elsewhere; the baseline depends on x1 alone."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4))
    treated = random.random(n) < 0.4
    effect = 0.25 * (x[:, 0] > 0)
    outcome = (random.random(n) < 0.2 + 0.2 * (x[:, 1] > 0) + effect * treated).astype(float)
    return x, treated, outcome, effect


@pytest.mark.parametrize("name", LEARNERS)
def test_the_conformance_suite(name: str) -> None:
    x, treated, y, _ = trial(6000, 0)
    new, new_treated, new_y, effect = trial(6000, 1)
    before = x.copy(), treated.copy(), y.copy(), new.copy()
    learner, again = LEARNERS[name](), LEARNERS[name]()
    learner.fit(x, treated, y)
    again.fit(x, treated, y)
    found = learner.effect(new)
    assert found.shape == (6000,)
    assert np.isfinite(found).all()
    assert np.array_equal(found, again.effect(new))  # seeded: repeatable
    assert np.allclose(
        found[:50], np.concatenate([learner.effect(new[n : n + 1]) for n in range(50)])
    )  # batch == single
    assert all(np.array_equal(a, b) for a, b in zip(before, (x, treated, y, new), strict=True))  # nothing mutated
    assert qini(found, new_treated, new_y) > 0.08
    assert np.corrcoef(found, effect)[0, 1] > 0.4
    assert float(found.mean()) == pytest.approx(float(effect.mean()), abs=0.05)


@pytest.mark.parametrize("name", ["s_linear", "t_trees", "x_linear", "dr_trees"])
def test_amounts_are_an_outcome_too(name: str) -> None:
    x, treated, y, effect = trial(5000, 2)
    learner = LEARNERS[name]()
    learner.fit(x, treated, 40.0 * y)
    assert np.corrcoef(learner.effect(x), effect)[0, 1] > 0.4


def test_folds_are_balanced_and_repeatable() -> None:
    _, treated, y, _ = trial(1000, 3)
    fold = split(treated, y, 5, 0)
    assert np.array_equal(fold, split(treated, y, 5, 0))
    assert np.bincount(fold).tolist() == pytest.approx([200] * 5, abs=4)
    assert all(abs(treated[fold == one].mean() - treated.mean()) < 0.02 for one in range(5))


def test_effects_are_always_of_unseen_rows() -> None:
    """A learner that knows its training rows by heart must not look good."""

    class ByHeart:
        def fit(self, x: np.ndarray, treated: np.ndarray, y: np.ndarray, propensity: np.ndarray | None = None) -> None:
            self.known = {row.tobytes(): (1.0 if t else -1.0) * o for row, t, o in zip(x, treated, y, strict=True)}

        def effect(self, x: np.ndarray) -> np.ndarray:
            return np.asarray([self.known.get(row.tobytes(), 0.0) for row in x])

    x, treated, y, _ = trial(1500, 4)
    from risk.uplift import measure

    singles = {**measure.SINGLE, "by_heart": ByHeart}
    original = measure.SINGLE
    measure.SINGLE = singles  # type: ignore[misc]
    try:
        found = cross_fit({"by_heart": ByHeart}, x, treated, y, seed=0)["by_heart"]
    finally:
        measure.SINGLE = original  # type: ignore[misc]
    assert not found.any()


def test_the_choice_is_by_measure_and_says_how_all_did() -> None:
    x, treated, y, _ = trial(3000, 5)
    choice = choose(x, treated, y, folds=3)
    assert set(choice.qini) == set(LEARNERS)
    assert choice.qini[choice.name].value == max(found.value for found in choice.qini.values())
    assert choice.qini[choice.name].low > 0


@pytest.mark.parametrize("name", LEARNERS)
def test_a_log_with_propensities_is_as_good_as_a_trial(name: str) -> None:
    """Who is treated depends on x1, and x1 moves the outcome: taken for a trial, the effect would be overrated."""
    random = np.random.default_rng(7)
    x = random.normal(size=(9000, 3))
    propensity = np.where(x[:, 1] > 0, 0.8, 0.2)
    treated = random.random(9000) < propensity
    effect = 0.2 * (x[:, 0] > 0)
    y = (random.random(9000) < 0.2 + 0.3 * (x[:, 1] > 0) + effect * treated).astype(float)
    learner = LEARNERS[name]()
    learner.fit(x, treated, y, propensity)
    found = learner.effect(x)
    assert np.corrcoef(found, effect)[0, 1] > 0.4
    assert float(found.mean()) == pytest.approx(0.1, abs=0.04)
