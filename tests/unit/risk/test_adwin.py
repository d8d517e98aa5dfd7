from __future__ import annotations

import numpy as np
import pytest
from river.drift import ADWIN

from risk.adwin import GRACE, Adwin, changes


def stream(seed: int) -> list[float]:
    """Scores that rise, then labels that do."""
    random = np.random.default_rng(seed)
    scores = [random.beta(2, 5, 2000), random.beta(3, 4, 2000)]
    labels = [random.random(3000) < 0.3, random.random(2000) < 0.45]
    return [float(value) for value in np.concatenate([*scores, *labels])]


@pytest.mark.parametrize("seed", range(3))
def test_it_cuts_where_the_package_river_cuts(seed: int) -> None:
    theirs, ours = ADWIN(), Adwin()
    expected, found = [], []
    for index, value in enumerate(stream(seed)):
        theirs.update(value)
        if theirs.drift_detected:
            expected.append((index, int(theirs.width)))
        if ours.update(value):
            found.append((index, ours.width))
            ours = Adwin()  # river starts afresh after a change
    assert found == expected
    assert len(found) == 3


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_change_is_noticed_soon_and_dated(seed: int) -> None:
    random = np.random.default_rng(seed)
    values = [float(v) for v in np.concatenate([random.random(1500) < 0.2, random.random(1500) < 0.35])]
    (change,) = changes(values)
    assert 1500 < change.noticed < 2100
    assert 1100 < change.since < 1700
    assert change.before < 0.25 < 0.3 < change.after


def test_without_a_change_there_is_hardly_ever_an_alarm() -> None:
    alarms = 0
    for seed in range(100):
        random = np.random.default_rng(1000 + seed)
        labels = [float(v) for v in random.random(2000) < 0.2]
        alarms += bool(changes(labels))
        alarms += bool(changes([float(v) for v in random.beta(2, 5, 2000)]))
    assert alarms <= 2  # of 200 streams


def test_the_window_knows_its_mean_and_forgets_what_was_before() -> None:
    window = Adwin()
    for _ in range(1000):
        assert not window.update(0.1)
    assert (window.width, window.seen) == (1000, 1000)
    assert window.mean == pytest.approx(0.1)
    while not window.update(0.9):
        assert window.seen < 1200
    for _ in range(500):
        window.update(0.9)
    assert window.mean == pytest.approx(0.9, abs=0.05)
    assert window.width < 700


def test_little_says_nothing_and_nonsense_is_refused() -> None:
    assert changes([]) == []
    assert changes([1.0] * GRACE) == []
    with pytest.raises(ValueError, match="finite"):
        Adwin().update(float("nan"))
    for delta in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match="delta"):
            Adwin(delta)
