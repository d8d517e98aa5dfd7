"""The made-up shop: repeatable, consistent with its own outcomes, and no words given away from train to test."""

from __future__ import annotations

import re

import numpy as np
import pytest

from risk.conversation.lexical import grams
from risk.metrics import auc
from risk.world import chinese, english
from risk.world.people import DAY, HORIZON_DAYS
from risk.world.shop import Shop, ceiling, draw
from risk.world.words import PARTS, Part


@pytest.fixture(scope="module")
def shops() -> dict[Part, Shop]:
    """A shop of 2,000 customers."""
    return draw(2_000, seed=7)


def test_the_same_seed_gives_the_same_people_and_a_larger_shop_begins_with_them(shops: dict[Part, Shop]) -> None:
    smaller = draw(400, seed=7)
    assert smaller["train"].lives == shops["train"].lives[:300]
    assert draw(40, seed=8)["train"].lives[0] != smaller["train"].lives[0]


def test_both_languages_have_the_same_kinds_of_lines_and_no_template_in_both_parts() -> None:
    assert set(english.LINES) == set(chinese.LINES)
    for language in (english, chinese):
        parts = [{text for both in language.LINES.values() for text in both[place]} for place in (0, 1)]
        assert not parts[0] & parts[1]
        assert not set(language.PRODUCTS[0]) & set(language.PRODUCTS[1])


def test_what_the_test_part_says_was_never_said_in_the_train_part(shops: dict[Part, Shop]) -> None:
    said = [
        {re.sub(r"\d+", "#", m.text) for life in shops[part].lives for talk in life.talks for m in talk.messages}
        for part in PARTS
    ]
    shared = said[0] & said[1]
    assert len(said[0]) > 1_000
    # slips of the keyboard may make two lines one by accident
    assert len(shared) <= 3, sorted(shared)[:5]


def test_customers_belong_to_one_part(shops: dict[Part, Shop]) -> None:
    assert not {life.customer for life in shops["train"].lives} & {life.customer for life in shops["test"].lives}


def test_orders_obey_the_outcome(shops: dict[Part, Shop]) -> None:
    for life, talk in shops["train"].mature():
        until = talk.ended_at + HORIZON_DAYS * DAY
        bought = any(talk.ended_at < order.ts_event <= until for order in life.orders)
        assert bought is not talk.left


def test_the_truth_is_a_probability_and_the_outcomes_follow_it(shops: dict[Part, Shop]) -> None:
    rows = shops["train"].mature()
    p = np.array([talk.probability for _, talk in rows])
    y = np.array([float(bool(talk.left)) for _, talk in rows])
    assert 0 < p.min() < p.max() < 1
    for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 1.0)):
        part = (p >= low) & (p < high)
        error = np.sqrt(p[part].mean() * (1 - p[part].mean()) / part.sum())
        assert abs(y[part].mean() - p[part].mean()) < 4 * error


def test_the_conversation_and_the_history_count_and_each_changes_what_the_other_means(
    shops: dict[Part, Shop],
) -> None:
    """A resolved matter lowers the risk of those who bought much more than an unresolved one does: the sign turns round."""
    rows = shops["train"].mature()
    seen: dict[tuple[bool, bool], list[float]] = {}
    for life, talk in rows:
        before = sum(o.ts_event <= talk.ended_at for o in life.orders)
        if before == 1 or before >= 6:
            seen.setdefault((talk.matter.resolved, before >= 6), []).append(talk.probability)
    mean = {key: float(np.mean(values)) for key, values in seen.items()}
    assert mean[True, False] - mean[True, True] > 0.15
    assert (mean[True, False] - mean[True, True]) > (mean[False, False] - mean[False, True]) + 0.1


def test_a_bag_of_words_stays_below_the_best_possible(shops: dict[Part, Shop]) -> None:
    """Naive Bayes on the characters of everything said, from train to test: words do not leak the label."""
    counts: list[dict[str, float]] = [{}, {}]
    totals = [0, 0]
    for _, talk in shops["train"].mature():
        kind = int(bool(talk.left))
        totals[kind] += 1
        for gram in {g for m in talk.messages for g in grams(m.text)}:
            counts[kind][gram] = counts[kind].get(gram, 0.0) + 1
    scores, truth, labels = [], [], []
    for _, talk in shops["test"].mature():
        seen = {g for m in talk.messages for g in grams(m.text)}
        odds = [sum(np.log((counts[kind].get(g, 0.0) + 1) / (totals[kind] + 2)) for g in seen) for kind in (0, 1)]
        scores.append(odds[1] - odds[0])
        truth.append(talk.probability)
        labels.append(float(bool(talk.left)))
    found, best = auc(scores, labels), auc(truth, labels)
    assert 0.55 < found < best - 0.03


def test_the_ceiling_is_that_of_the_true_probabilities(shops: dict[Part, Shop]) -> None:
    rows = shops["test"].mature()
    found = ceiling(shops["test"])
    labels = [float(bool(talk.left)) for _, talk in rows]
    assert found["mature"] == len(rows) < found["conversations"]
    assert found["auc"]["value"] == round(auc([talk.probability for _, talk in rows], labels), 4)
    assert found["auc"]["low"] < found["auc"]["value"] < found["auc"]["high"]
