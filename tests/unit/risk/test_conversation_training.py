"""What the conversation model learns from: habits of annotators, noisy copies, guards, the search, curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from risk import train as training
from risk.calibration import softmax
from risk.conversation import data as conversation_data
from risk.conversation import train as conversation_train
from risk.conversation.augment import all_copies, copies, noisy
from risk.conversation.data import Conversation
from risk.conversation.guards import refuse_label_copies
from risk.conversation.habits import HABITS, shares
from risk.conversation.knobs import Knobs
from risk.conversation.lexical import Turn
from risk.conversation.mixing import centred, marginal
from risk.conversation.search import log_loss, search
from risk.embeddings import CachedEncoder
from risk.errors import DataRefused
from risk.text import FEATURES, WIDTH
from risk.types import Message

QUICK = Knobs(epochs=1)


def _turn(text: str, level: int, group: int, features: np.ndarray | None = None) -> Turn:
    return Turn(
        text, np.zeros(WIDTH, np.float32) if features is None else features, np.zeros(4, np.float32), level, group=group
    )


def _two_habits() -> list[Turn]:
    """Even conversations are rated by somebody who calls all but thanks neutral; odd ones by somebody who never does."""
    said = ("好的", "没有了", "谢谢", "订单到哪了")
    levels = ((1, 1, 2, 1), (2, 0, 2, 0))
    return [_turn(text, levels[g % 2][i], g) for g in range(60) for i, text in enumerate(said)]


def test_habits_of_annotators_are_found_from_the_labels() -> None:
    turns = _two_habits()
    found = shares(turns, Knobs())
    assert found.shape == (len(turns), HABITS)
    np.testing.assert_allclose(found.sum(1), 1)
    polarised = found[:, found[[t.group % 2 == 1 for t in turns]].mean(0).argmax()]
    assert polarised[[t.group % 2 == 1 for t in turns]].min() > 0.9
    assert polarised[[t.group % 2 == 0 for t in turns]].max() < 0.1


def test_a_few_conversations_show_no_habit() -> None:
    turns = [t for t in _two_habits() if t.group < 5]
    np.testing.assert_array_equal(shares(turns, Knobs()), 1 / HABITS)


def test_a_reading_is_the_mean_over_habits() -> None:
    logits = centred(np.array([[2.0, 0.0, -1.0], [-1.0, 3.0, 0.5]]))
    mixed = softmax(marginal(logits, [0.25, 0.75]))
    np.testing.assert_allclose(mixed, 0.25 * softmax(logits[0]) + 0.75 * softmax(logits[1]), atol=1e-8)
    np.testing.assert_allclose(marginal(logits[:1], [1.0]), logits[0])


def test_noise_is_seeded_and_never_empties_a_text() -> None:
    conversation = Conversation("a", "zh", (Message("contact", "x"), Message("bot", "请稍等")), (0, None))
    assert copies(conversation, 3, 1) == copies(conversation, 3, 1)
    assert copies(conversation, 3, 1) != copies(conversation, 3, 2)
    import random

    draw = random.Random(1)
    assert all(noisy("谢", draw) for _ in range(500))


def test_a_copy_keeps_labels_and_order_and_only_labelled_conversations_have_some() -> None:
    long = Conversation(
        "a",
        "en",
        tuple(Message("contact" if i % 2 else "bot", f"thanks for order number {i}") for i in range(40)),
        tuple(i % 3 if i % 2 else None for i in range(40)),
    )
    made, none = all_copies([long, replace(long, levels=(None,) * 40)], 2, 7)
    assert len(made) == 2
    assert none == []
    wanted = [level for level in long.levels if level is not None]
    for copy in made:
        assert [level for level in copy.levels if level is not None] == wanted
        assert len(copy.messages) == len(copy.levels)
        assert {m.text for m in copy.messages} != {m.text for m in long.messages}


def test_a_held_out_conversation_is_held_out_with_its_copies(conversations_file: Path, encoder: CachedEncoder) -> None:
    conversations = conversation_data.read([conversations_file])
    knobs = Knobs(augment=2)
    corpus = conversation_train.Corpus.of(
        conversations, encoder.lookup(conversation_train.texts(conversations, knobs, 1)), knobs, 1
    )
    everything, most = corpus.learnt(), corpus.learnt(lambda number: number in {0, 7})
    assert len(everything) - len(most) == 2 * (1 + 2)
    groups = {t.group for row in most for t in row.turns if t is not None}
    assert not groups & {0, 7}
    assert groups >= set(range(1, 7))


def test_the_linear_reader_learns_from_no_copy(conversations_file: Path, encoder: CachedEncoder) -> None:
    conversations = conversation_data.read([conversations_file])
    lookup = encoder.lookup(conversation_train.texts(conversations, Knobs(augment=2), 1))
    plain, noised = (
        conversation_train.Corpus.of(conversations, lookup, Knobs(augment=count), 1).learnt() for count in (0, 2)
    )
    assert len(noised) > len(plain)
    said = [[turn.text for turn in conversation_train.labelled_turns(rows)] for rows in (plain, noised)]
    assert said[0] == said[1]


def test_copies_are_never_measured(conversations_file: Path, encoder: CachedEncoder) -> None:
    plain = training.cross_validate([conversations_file], encoder, seed=5)
    noised = training.cross_validate([conversations_file], encoder, seed=5, options=training.Options(augment=1))
    np.testing.assert_array_equal(plain.truth, noised.truth)
    assert not np.array_equal(plain.levels, noised.levels)


def test_no_conversation_is_read_by_a_model_that_learnt_from_it(
    conversations_file: Path, encoder: CachedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations = conversation_data.read([conversations_file])
    learnt: list[set[int]] = []
    fitting, predicting = conversation_train.fit_readers, conversation_train.predict

    def fit(rows: Sequence[conversation_train.Prepared], *rest: object) -> object:
        learnt.append({id(row.conversation) for row in rows})
        return fitting(rows, *rest)  # type: ignore[arg-type]

    def predict(model: object, nets: object, row: conversation_train.Prepared, share: float) -> object:
        assert id(row.conversation) not in learnt[-1]
        return predicting(model, nets, row, share)  # type: ignore[arg-type]

    monkeypatch.setattr(conversation_train, "fit_readers", fit)
    monkeypatch.setattr(conversation_train, "predict", predict)
    lookup = encoder.lookup(conversation_train.texts(conversations, QUICK, 1))
    oof, _ = conversation_train.cross_validate(conversations, lookup, 1, None, QUICK)
    assert len(learnt) == conversation_train.FOLDS
    assert set(oof.group) == set(range(len(conversations)))


def test_a_feature_that_copies_the_label_is_refused() -> None:
    rng = np.random.default_rng(0)
    turns = [_turn("好的", int(rng.integers(3)), n, rng.normal(size=WIDTH).astype(np.float32)) for n in range(300)]
    refuse_label_copies(turns)
    told = FEATURES.index("delay")
    for turn in turns:
        turn.features[told] = -float(turn.level == 0)
    with pytest.raises(DataRefused, match="delay"):
        refuse_label_copies(turns)


def test_the_search_tries_the_defaults_first_and_repeats(
    conversations_file: Path, encoder: CachedEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversations = conversation_data.read([conversations_file])[:25]
    lookup = encoder.lookup(conversation_train.texts(conversations, QUICK, 3))
    done: list[tuple[int, int]] = []
    best, tried = search(conversations, lookup, 2, 3, QUICK.__class__(epochs=4), lambda *step: done.append(step))
    again, twice = search(conversations, lookup, 2, 3, QUICK.__class__(epochs=4), lambda *step: None)
    assert (best, tried) == (again, twice)
    assert tried[0]["epochs"] == 4
    assert best.epochs == min(tried, key=lambda t: t["log_loss"])["epochs"]
    assert done == [(0, 2), (1, 2), (2, 2)]


def test_log_loss_is_that_of_the_true_level() -> None:
    assert log_loss(np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]), np.array([1, 2])) == pytest.approx(
        -(np.log(0.25) + np.log(0.8)) / 2
    )


def test_a_training_with_search_and_curves_says_what_it_tried(
    conversations_file: Path, encoder: CachedEncoder, tmp_path: Path
) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text(
        "".join(conversations_file.read_text(encoding="utf-8").splitlines(keepends=True)[:25]), encoding="utf-8"
    )
    options = training.Options(search=1, tensorboard=tmp_path / "runs")
    branch = training.train_conversations([few], encoder, 5, options=options)
    assert len(branch.data["conversations"]["search"]) == 1
    assert branch.data["conversations"]["knobs"] == Knobs().as_json()
    assert branch.settings["heads"]["net_share"] == Knobs().net_share
    json.dumps(branch.data)
    runs = {p.parent.relative_to(tmp_path / "runs").as_posix() for p in (tmp_path / "runs").rglob("events.out.*")}
    assert {"search", "fold-0/net-0", "final/net-2"} <= runs
