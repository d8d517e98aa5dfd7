"""The layer's mathematics, and that what is served is what was learnt."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from risk.artefact import Artefact
from risk.bands import Bands
from risk.conversation import data as conversation_data
from risk.embeddings import CachedEncoder
from risk.errors import DataRefused
from risk.scorer import ChampionScorer
from risk.tuning import fit, rows
from risk.tuning.layer import Frozen, Rows, gradient, join, levels, loss
from risk.tuning.private import _Padded
from risk.tuning.train import tuned


def some(rows_: Rows, scale: float = 0.3) -> np.ndarray:
    return np.random.default_rng(5).normal(size=fit.zero(rows_).shape) * scale


def test_the_gradient_is_that_of_the_loss(small: Rows) -> None:
    weight = some(small)
    found = gradient(small, weight)
    for column, level in ((0, 0), (-1, 2), (-40, 1), (12, 1)):
        step = np.zeros_like(weight)
        step[column, level] = 1e-5
        slope = (loss(small, weight + step) - loss(small, weight - step)) / 2e-5
        assert found[column, level] == pytest.approx(slope, abs=1e-7)


def test_torch_and_numpy_have_one_loss(small: Rows) -> None:
    weight = torch.from_numpy(some(small).T.astype(np.float32)).requires_grad_()
    padded = _Padded.of(small)
    total = padded.loss(lambda x: x @ weight.T, torch.arange(small.people))
    total.backward()
    assert total.item() / small.people == pytest.approx(loss(small, some(small)), rel=1e-5)
    assert weight.grad is not None
    assert np.allclose(weight.grad.numpy().T / small.people, gradient(small, some(small)), atol=1e-6)


def test_what_is_served_is_what_was_learnt(
    artefact: Artefact, frozen: Frozen, encoder: CachedEncoder, make: Any, seen: Any
) -> None:
    path: Path = make("served", 25, 9)
    found = seen(path)
    weight = some(found)
    model = tuned("tuned", artefact, weight, {"how": "federated", "rounds": 1, "shops": []}, 5)
    scorer = ChampionScorer.from_artefact(model, Bands(0.4, 0.6, "none", "not used here"))
    talks = conversation_data.read([path])
    lookup = encoder.lookup(m.text for c in talks for m in c.messages)
    served = []
    for talk in talks:
        state = scorer.initial()
        for message, level in zip(talk.messages, talk.levels, strict=True):
            state = scorer.advance(state, lookup[message.text], message)
            if level is not None:
                served.append(state.reading.levels)
    assert np.allclose(served, levels(found, weight), atol=2e-5)
    assert not np.allclose(served, levels(found, fit.zero(found)), atol=1e-2)
    assert model.version != artefact.version
    assert "Tuned" in model.card


def test_each_person_weighs_the_same(big: Rows) -> None:
    person = np.flatnonzero(np.bincount(big.person) > 2)[0]
    mine = big.person == person
    twice = Rows(
        *(np.concatenate([part, part[mine]]) for part in (big.inputs, big.base, big.level, big.person, big.conversation)),
        big.prior, big.temperature,
    )  # fmt: skip
    assert loss(twice, some(big)) == pytest.approx(loss(big, some(big)))


def test_people_are_customers_where_the_file_names_them(big: Rows) -> None:
    assert big.people == 130
    assert len(np.unique(big.conversation)) == 130 + 33  # every fourth has two conversations


def test_rows_are_chosen_by_person_and_joined_by_file(big: Rows, small: Rows) -> None:
    part = big.of(np.array([7, 3]))
    assert part.people == 2
    assert (part.level[part.person == 0] == big.level[big.person == 7]).all()
    both = join([big, small])
    assert both.people == big.people + small.people
    assert len(np.unique(both.conversation)) == len(np.unique(big.conversation)) + len(np.unique(small.conversation))
    assert (both.of(np.arange(big.people, both.people)).level == small.level).all()


def test_of_one_person_only_the_newest_turns_count(big: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MOST_TURNS", 2)
    found = rows._newest(big)
    assert np.bincount(found.person).max() == 2
    person = np.flatnonzero(np.bincount(big.person) > 2)[0]
    assert (found.level[found.person == person] == big.level[big.person == person][-2:]).all()


def test_a_base_with_one_reader_has_no_place_for_a_layer(artefact: Artefact) -> None:
    heads = {**artefact.settings["heads"], "net_share": 0.0}
    with pytest.raises(DataRefused, match="one of its two readers"):
        Frozen.of(replace(artefact, settings={**artefact.settings, "heads": heads}))


def test_learning_learns(big: Rows) -> None:
    before = loss(big, fit.zero(big))
    assert loss(big, fit.central(big, fit.Knobs(), 3)) < before - 0.05
    assert (fit.central(big, fit.Knobs(epochs=2), 3) == fit.central(big, fit.Knobs(epochs=2), 3)).all()
