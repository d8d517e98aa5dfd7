"""What private and federated learning cost: each way of learning a layer out of fold, on the same people, beside the base alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.calibration import sigmoid
from risk.conversation.data import DISSATISFIED, folds
from risk.conversation.step import Heads
from risk.metrics import accuracy, auc, bootstrap, calibration_error, macro_f1
from risk.train import Report, silent
from risk.tuning import federated, fit, private
from risk.tuning.federated import Plan
from risk.tuning.layer import Floats, Ints, Rows, join, logits
from risk.tuning.private import Budget
from risk.tuning.train import Shop

FOLDS: Final = 5

Learn = Callable[[Sequence[Rows], int], Floats]  # rows of each shop, fold → W


def figures(
    shops: Sequence[Shop],
    heads: Heads,
    budgets: Sequence[Budget],
    plan: Plan,
    seed: int,
    report: Report = silent,
) -> dict[str, Any]:
    """`{n, people, base, central, private: [...], federated, alone}`, each with 95 % intervals over conversations.

    `central` learns from all rows in one place without noise (ε = ∞), `private` the same under each budget, `federated` and `alone`
    (each shop by itself) where there are several shops. Figures of private learning hold for one draw of the noise a fold. Folds
    hold whole people and near copies together.
    """
    fold = [_fold_of_people(shop, seed) for shop in shops]
    everything = join([shop.rows for shop in shops])
    ways: dict[str, Learn] = {
        "base": lambda parts, k: fit.zero(parts[0]),
        "central": lambda parts, k: fit.central(join(parts), fit.Knobs(), seed + k),
    }
    spent: dict[str, list[private.Spent]] = {}
    for budget in budgets:
        ways[f"private_{budget.epsilon:g}"] = _private(budget, spent.setdefault(f"private_{budget.epsilon:g}", []))
    if len(shops) > 1:
        ways["federated"] = lambda parts, k: federated.learn(parts, plan, seed + k)
    said = {}
    for done, (name, learn) in enumerate(ways.items()):
        report("measure", done, len(ways) + 1)
        said[name] = _out_of_fold(shops, fold, learn)
    if len(shops) > 1:
        own = [
            _out_of_fold([s], [f], lambda p, k: fit.central(p[0], fit.Knobs(), seed + k))
            for s, f in zip(shops, fold, strict=True)
        ]
        said["alone"] = np.concatenate(own)
    report("measure", len(ways) + 1, len(ways) + 1)
    of_base = heads.dissatisfaction(said["base"])
    found: dict[str, Any] = {"n": len(everything.level), "people": everything.people}
    for name, z in said.items():
        found[name] = _measured(z, of_base, everything, heads, seed)
        if name in spent:
            first = spent[name][0]
            found[name] |= {"epsilon": round(max(one.epsilon for one in spent[name]), 3), "delta": first.delta}
    return found


def _private(budget: Budget, spent: list[private.Spent]) -> Learn:
    def learn(parts: Sequence[Rows], fold: int) -> Floats:
        weight, cost = private.learn(join(parts), budget, private.Knobs())
        spent.append(cost)
        return weight

    return learn


def _fold_of_people(shop: Shop, seed: int) -> Ints:
    """A fold for each person: that of their conversations, which `folds` keeps together."""
    of_conversation = np.array(folds(shop.conversations, FOLDS, seed))
    found = np.zeros(shop.rows.people, np.int64)
    found[shop.rows.person] = of_conversation[shop.rows.conversation]
    return found


def _out_of_fold(shops: Sequence[Shop], fold: Sequence[Ints], learn: Learn) -> Floats:
    """Level logits [n, 3] of all shops' rows by layers that have not seen the person."""
    found = [np.zeros((len(shop.rows.level), 3)) for shop in shops]
    for k in range(FOLDS):
        weight = learn([shop.rows.of(own != k) for shop, own in zip(shops, fold, strict=True)], k)
        for shop, own, said in zip(shops, fold, found, strict=True):
            out: NDArray[np.bool_] = own[shop.rows.person] == k
            said[out] = logits(shop.rows.where(out), weight)
    return np.concatenate(found)


def _measured(z: Floats, of_base: Floats, rows: Rows, heads: Heads, seed: int) -> dict[str, Any]:
    bad = (rows.level == DISSATISFIED).astype(float)
    guess, score = z.argmax(axis=1), heads.dissatisfaction(z)
    talks = rows.conversation

    def of(figure: Callable[[Ints], float]) -> dict[str, float | None]:
        return bootstrap(figure, talks, seed=seed).as_json()

    return {
        "accuracy": of(lambda i: accuracy(guess[i], rows.level[i])),
        "macro_f1": of(lambda i: macro_f1(guess[i], rows.level[i])),
        "dissatisfied_auc": of(lambda i: auc(score[i], bad[i])),
        "auc_over_base": of(lambda i: auc(score[i], bad[i]) - auc(of_base[i], bad[i])),
        "ece": of(lambda i: calibration_error(sigmoid(score[i]), bad[i])),
    }
