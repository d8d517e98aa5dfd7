from __future__ import annotations

import numpy as np

from risk.dataset.review import label_noise, worth_labelling


def test_wrong_labels_come_first_and_their_share_is_about_right() -> None:
    random = np.random.default_rng(0)
    churn = np.where(random.random(1000) < 0.4, random.uniform(0.85, 0.99, 1000), random.uniform(0.01, 0.15, 1000))
    left = (churn > 0.5).astype(float)
    wrong = random.permutation(1000)[:50]
    left[wrong] = 1 - left[wrong]
    found = label_noise(churn, left)
    assert len(set(found.suspects[:50]) & set(wrong.tolist())) >= 40
    assert 0.03 < found.share < 0.07


def test_what_is_a_matter_of_chance_is_no_wrong_label() -> None:
    random = np.random.default_rng(0)
    churn = random.beta(2, 2, 2000)
    left = (random.random(2000) < churn).astype(float)
    sound = label_noise(churn, left)
    assert sound.share > 0.2  # a coin that falls on its other side is no error
    assert abs(sound.share - sound.chance) < 0.02
    wrong = np.where(random.random(2000) < 0.15, 1 - left, left)
    assert label_noise(churn, wrong).share > sound.chance + 0.03


def test_labels_of_one_kind_say_nothing() -> None:
    assert label_noise(np.array([0.2, 0.9]), np.zeros(2)).suspects == ()


def test_the_list_is_uncertain_and_diverse() -> None:
    random = np.random.default_rng(0)
    topics = np.eye(8)[random.integers(0, 8, 400)]
    churn = random.random(400)
    chosen = worth_labelling(churn, topics, 8)
    assert len(set(chosen)) == 8
    assert abs(churn[chosen[0]] - 0.5) == np.abs(churn - 0.5).min()
    assert np.abs(churn[chosen] - 0.5).max() < 0.1
    assert (
        len({int(topics[row].argmax()) for row in chosen}) >= 7
    )  # one of each topic among the uncertain, not eight of one
    assert worth_labelling(churn, topics, 1000)[:8] != []
    assert worth_labelling(np.zeros(0), np.zeros((0, 8)), 3) == []
