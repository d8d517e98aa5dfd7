"""Measures and calibration, held against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

from risk import calibration, metrics


@pytest.fixture
def sample() -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and labels that follow them."""
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 40, 500) / 40
    return scores, (rng.random(500) < scores).astype(float)


def test_ranking_measures_equal_sklearn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    s, y = sample
    assert metrics.auc(s, y) == pytest.approx(sk.roc_auc_score(y, s))
    assert metrics.average_precision(s, y) == pytest.approx(sk.average_precision_score(y, s))
    assert metrics.brier(s, y) == pytest.approx(sk.brier_score_loss(y, s))


def test_class_measures_equal_sklearn() -> None:
    rng = np.random.default_rng(2)
    p, y = rng.integers(0, 3, 300), rng.integers(0, 3, 300)
    assert metrics.macro_f1(p, y) == pytest.approx(sk.f1_score(y, p, average="macro"))
    assert metrics.accuracy(p, y) == pytest.approx(sk.accuracy_score(y, p))


def test_one_class_has_no_auc_and_json_says_null() -> None:
    assert np.isnan(metrics.auc([0.1, 0.2], [1, 1]))
    assert metrics.Figure(float("nan"), 0.0, 1.0).as_json()["value"] is None


def test_a_bootstrap_over_few_large_groups_is_wider_than_over_rows(sample: tuple[np.ndarray, np.ndarray]) -> None:
    s, y = sample
    order = np.argsort(s)
    s, y = s[order], y[order]
    by_row = metrics.bootstrap(lambda i: float(y[i].mean()), np.arange(500))
    by_group = metrics.bootstrap(lambda i: float(y[i].mean()), np.arange(500) // 50)
    assert by_row.low < by_row.value < by_row.high
    assert by_group.high - by_group.low > by_row.high - by_row.low


def test_isotonic_equals_sklearn(sample: tuple[np.ndarray, np.ndarray]) -> None:
    s, y = sample
    points, fit = calibration.isotonic(s, y)
    np.testing.assert_allclose(fit, IsotonicRegression().fit(s, y).predict(points), atol=1e-12)


def test_a_fitted_curve_repairs_a_distorted_score_and_brackets_it(sample: tuple[np.ndarray, np.ndarray]) -> None:
    s, y = sample
    distorted = s**3
    curve = calibration.fit_curve(distorted, y, np.arange(500), seed=0, rounds=50)
    applied = np.array([curve.apply(v) for v in distorted])
    assert metrics.calibration_error(applied[:, 0], y) < metrics.calibration_error(distorted, y) / 2
    assert (applied[:, 1] <= applied[:, 0]).all()
    assert (applied[:, 0] <= applied[:, 2]).all()
    assert (np.diff(curve.point) >= 0).all()


def test_venn_abers_brackets_the_isotonic_fit(sample: tuple[np.ndarray, np.ndarray]) -> None:
    s, y = sample
    zero, one = calibration.venn_abers(s, y, np.array([0.2, 0.5, 0.8]))
    assert (zero < one).all()


def test_temperature_finds_the_factor_that_logits_were_scaled_by() -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(4_000, 3))
    labels = np.array([rng.choice(3, p=p) for p in calibration.softmax(logits)])
    assert calibration.temperature(logits * 2.5, labels) == pytest.approx(2.5, rel=0.1)


def test_beta_calibration_repairs_a_lopsided_score_and_keeps_its_order() -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(size=5_000) * 2
    truth = calibration.sigmoid(np.where(logits > 0, 0.4 * logits, 1.6 * logits) - 0.3)
    labels = (rng.random(5_000) < truth).astype(float)
    weights = np.array(calibration.fit_beta(logits, labels))
    repaired = calibration.sigmoid(calibration.beta_inputs(logits) @ weights)
    assert (
        metrics.calibration_error(repaired, labels)
        < 0.03
        < metrics.calibration_error(calibration.sigmoid(logits), labels)
    )
    assert metrics.auc(repaired, labels) == pytest.approx(metrics.auc(logits, labels))


def test_beta_calibration_never_turns_a_score_round() -> None:
    rng = np.random.default_rng(5)
    logits = rng.normal(size=4_000) * 2
    flat_above = (rng.random(4_000) < calibration.sigmoid(1.5 * np.minimum(logits, -0.5))).astype(float)
    a, b, c = calibration.fit_beta(logits, flat_above)
    assert min(a, b) >= 0
    repaired = calibration.sigmoid(calibration.beta_inputs(np.linspace(-5, 5, 50)) @ np.array([a, b, c]))
    assert (np.diff(repaired) >= 0).all()
    honest = calibration.sigmoid(calibration.beta_inputs(logits) @ np.array([a, b, c]))
    assert metrics.calibration_error(honest, flat_above) < 0.05
