"""Private learning: the accountant against references, the bound on a person, and what must not be in the artefact."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import gammaln, logsumexp
from scipy.stats import norm

from risk.artefact import Artefact
from risk.errors import DataRefused, ExtraMissing
from risk.tuning import fit, private
from risk.tuning.layer import Rows, loss
from risk.tuning.private import Budget, Knobs
from risk.tuning.train import learn_private

QUICK = Knobs(steps=6, batch=1000)  # everybody in each step


def exact_gaussian(noise: float, steps: int, delta: float) -> float:
    """ε of composed Gaussian mechanisms without sampling (Balle and Wang, 2018): exact, in closed form."""
    mu = math.sqrt(steps) / noise

    def excess(epsilon: float) -> float:
        return norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu) - delta

    return float(brentq(excess, 1e-6, 60))


def renyi(noise: float, q: float, steps: int, delta: float) -> float:
    """ε by Rényi orders that are whole numbers (Mironov, Talwar and Zhang, 2019), converted by Balle et al. (2020)."""
    best = math.inf
    for order in range(2, 512):
        k = np.arange(order + 1)
        choose = gammaln(order + 1) - gammaln(k + 1) - gammaln(order - k + 1)
        terms = choose + k * math.log(q) + (order - k) * math.log1p(-q) + k * (k - 1) / (2 * noise**2)
        told = steps * float(logsumexp(terms)) / (order - 1)
        best = min(best, told + math.log1p(-1 / order) - (math.log(delta) + math.log(order)) / (order - 1))
    return best


@pytest.mark.parametrize(("noise", "steps", "delta"), [(4.0, 30, 1e-5), (9.0, 100, 1e-6), (20.0, 100, 1e-5)])
def test_without_sampling_the_accountant_gives_the_exact_figure(noise: float, steps: int, delta: float) -> None:
    exact = exact_gaussian(noise, steps, delta)
    assert exact <= private.epsilon(noise, 1.0, steps, delta) <= exact + 0.03


@pytest.mark.parametrize(("noise", "q", "steps"), [(1.1, 0.01, 1000), (2.0, 0.3, 100), (1.3, 150 / 60_000, 6000)])
def test_with_sampling_it_is_at_most_what_renyi_orders_give(noise: float, q: float, steps: int) -> None:
    reference = renyi(noise, q, steps, 1e-5)
    assert (
        0.96 * reference < private.epsilon(noise, q, steps, 1e-5, "rdp") <= reference * 1.001
    )  # it has orders between, too
    assert 0.6 * reference < private.epsilon(noise, q, steps, 1e-5) <= reference


def test_the_noise_keeps_within_the_budget_and_does_not_waste_it() -> None:
    for wanted in (1.0, 8.0):
        noise = private.noise_for(Budget(wanted), 0.4, 100)
        assert 0.9 * wanted < private.epsilon(noise, 0.4, 100, 1e-5) <= wanted


def test_one_person_moves_a_step_by_no_more_than_the_clip(big: Rows) -> None:
    """The same draws, the same noise, one person whose every word is another: what the noise is measured by must hold."""
    mine = big.person == 0
    loud = np.where(mine[:, None], big.inputs * 1e4, big.inputs)
    other = replace(big, inputs=loud, level=np.where(mine, (big.level + 1) % 3, big.level))
    knobs = Knobs(steps=1, batch=1000)
    one, two = (private.learn(rows, Budget(8), knobs, entropy=lambda: 4)[0] for rows in (big, other))
    moved = float(np.linalg.norm(one - two))
    assert 0 < moved <= 2 * knobs.rate * knobs.clip / big.people * (1 + 1e-5)


def test_a_private_layer_learns_and_says_what_it_cost(big: Rows) -> None:
    weight, spent = private.learn(big, Budget(50.0), Knobs(), entropy=lambda: 1)
    assert loss(big, weight) < loss(big, fit.zero(big))
    assert 40 < spent.epsilon <= 50
    assert (spent.people, spent.steps, spent.sample_rate) == (130, 100, 1.0)
    noisier, _ = private.learn(big, Budget(0.1), QUICK, entropy=lambda: 1)
    assert np.linalg.norm(noisier) > np.linalg.norm(private.learn(big, Budget(8), QUICK, entropy=lambda: 1)[0])


def test_two_trainings_are_never_the_same(big: Rows) -> None:
    one, two = (private.learn(big, Budget(8.0), QUICK)[0] for _ in range(2))
    assert np.abs(one - two).max() > 0


def test_too_few_people_and_an_empty_promise_are_refused(big: Rows, small: Rows) -> None:
    with pytest.raises(DataRefused, match="40 people are too few"):
        private.learn(small, Budget(8.0), QUICK)
    with pytest.raises(DataRefused, match="less than 1 in the number of people"):
        private.learn(big, Budget(8.0, delta=0.01), QUICK)


def test_the_artefact_holds_nothing_of_the_people_but_the_layer(artefact: Artefact, big: Rows) -> None:
    model = learn_private("private", artefact, big, Budget(8.0), 5)
    changed = {name for name, value in model.tensors.items() if not np.array_equal(value, artefact.tensors[name])}
    assert changed <= {"lexical.dense", "lexical.vector", "lexical.bias"} | {
        f"conversation.{m}.level.weight" for m in range(artefact.settings["members"])
    }
    assert changed
    assert model.settings == artefact.settings
    assert model.metrics == artefact.metrics
    assert model.lexicon == artefact.lexicon
    before, after = dict(artefact.data["conversations"]), dict(model.data["conversations"])
    (layer,) = after.pop("tuned")
    assert before == after
    assert layer["how"] == "private"
    assert 7 < layer["epsilon"] <= 8
    assert layer["base"] == artefact.version
    assert {"people", "delta", "noise", "clip", "steps", "sample_rate", "accountant"} <= set(layer)
    assert "seed" not in json.dumps(layer)
    assert f"ε = {layer['epsilon']:g} at δ = 1e-05" in model.card
    again = learn_private("private", model, big, Budget(2.0), 5)
    assert [one["how"] for one in again.data["conversations"]["tuned"]] == ["private", "private"]


def test_without_opacus_the_extra_is_named(big: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opacus", None)
    with pytest.raises(ExtraMissing, match=r"staywell\[train\]"):
        private.epsilon(1.0, 0.1, 10, 1e-5)
