"""Early warning: events, equal exposure, thresholds from validation, figures that answer to both."""

from __future__ import annotations

import numpy as np
import pytest

from risk import early_warning
from risk.conversation.data import Conversation
from risk.conversation.readings import Readings, targets
from risk.early_warning import DRAWS, event_of, exposures, table, thresholds
from risk.plots import alarm_curve
from risk.types import Message


def _readings(conversations: list[list[tuple[int, float]]]) -> Readings:
    """One (level, score) a turn."""
    rows = [(level, score, number) for number, turns in enumerate(conversations) for level, score in turns]
    level, score, number = (np.array(column) for column in zip(*rows, strict=True))
    return Readings(
        levels=np.stack([score, 1 - score, 0 * score], axis=1),
        bad=score,
        ahead=score,
        truth=level,
        truth_ahead=np.full(len(level), -1),
        conversation=number,
        closing=np.zeros(len(level), bool),
    )


def test_the_event_is_the_second_of_two_in_a_row() -> None:
    assert event_of([1, 0, 1, 0, 0, 0]) == 4
    assert event_of([0, 1, 0, 2, 0]) is None


def test_clean_conversations_are_cut_where_bad_ones_end() -> None:
    bad = [(1, 0.1), (0, 0.6), (0, 0.9), (0, 1.0)]
    clean = [(1, 0.0)] * 50
    first, second = exposures(_readings([bad, clean]), seed=0).values()
    assert (len(first), len(first[0].scores), first[0].event) == (1, 3, 2)
    assert len(second) == DRAWS
    assert all(len(cut.scores) == 3 for cut in second)


def test_long_clean_conversations_do_not_raise_the_false_alarm_rate() -> None:
    """The trap: over their whole length fifty quiet turns have fifty chances of a high score."""
    rng = np.random.default_rng(1)
    clean = [[(1, s) for s in rng.random(50)] for _ in range(40)]
    bad = [[(1, s) for s in rng.random(3)] + [(0, s) for s in rng.random(2)] for _ in range(40)]
    rate = early_warning.curve(_readings(clean + bad))
    detected = np.interp(0.5, *zip(*rate, strict=True))
    assert detected == pytest.approx(0.5, abs=0.2)


def test_thresholds_keep_the_false_alarms_within_alpha_and_detection_counts_the_lead() -> None:
    rng = np.random.default_rng(2)
    clean = [[(1, s) for s in rng.uniform(0, 0.5, 8)] for _ in range(60)]
    bad = [[(1, 0.1), (0, 0.7), (1, 0.7), (0, 0.9), (0, 0.9)] for _ in range(30)]
    readings = _readings(clean + bad)
    theta = thresholds(readings)
    rows = {(row["alpha"], row["h"]): row for row in table(readings, theta, rounds=50)}
    for alpha in (0.05, 0.10, 0.20):
        assert rows[alpha, 0]["far"]["value"] <= alpha
        assert rows[alpha, 0]["dr"]["value"] == rows[alpha, 2]["dr"]["value"] == 1.0
        assert rows[alpha, 0]["lead"]["value"] == 3
    assert theta["0.05"] >= theta["0.10"] >= theta["0.20"]


def test_thresholds_out_of_fold_come_from_other_conversations() -> None:
    readings = _readings(
        [[(1, 0.1 * n), (0, 0.5), (0, 0.9)] for n in range(6)] + [[(1, 0.1 * n)] * 5 for n in range(8)]
    )
    theta = early_warning.thresholds_out_of_fold(readings, 5, seed=0)
    assert {number for by in theta.values() for number in by} == set(range(14))
    highest = theta["0.20"][13]
    assert highest <= 0.7  # the loudest clean conversation, number 13 with 0.7, had no say in its own threshold
    assert {row["alpha"] for row in table(readings, theta, rounds=5)} == {0.05, 0.1, 0.2}


def test_without_bad_conversations_nothing_is_claimed() -> None:
    readings = _readings([[(1, 0.2)] * 5] * 3)
    assert thresholds(readings) == {}
    assert table(readings, {"0.10": 0.5}, rounds=5)[0]["dr"]["value"] is None
    assert early_warning.curve(readings) == []


def test_the_closing_rating_stands_at_the_last_contact_message() -> None:
    messages = (Message("contact", "a"), Message("contact", "b"), Message("agent", "c"))
    conversation = Conversation("x", "en", messages, (1, 0, None), level=2)
    assert targets(conversation) == [(1, 1, -1), (0, -1, 2), (-1, -1, -1)]
    unlabelled = Conversation("y", "en", messages, (None, None, None), level=2)
    assert all(row == (-1, -1, -1) for row in targets(unlabelled))


def test_the_picture_is_safe_svg() -> None:
    assert "&lt;script&gt;" in alarm_curve([(0.0, 0.0), (1.0, 1.0)], "<script>")
