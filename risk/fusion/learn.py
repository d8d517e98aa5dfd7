"""The branches and both learners, fitted on rows. Seeded and repeatable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from risk.calibration import logit
from risk.fusion import gated_fit
from risk.fusion.gated import GatedSum, Scaling
from risk.fusion.inputs import SURFACE
from risk.fusion.model import COLUMNS, HEARD, SPLIT, Linear, text_shares
from risk.fusion.rows import Rows
from risk.history.features import FEATURES

INNER: Final = 5  # folds in which the branches' logits are made for the learner over them
TEXT_STRENGTH: Final = 0.003
SURFACE_STRENGTH: Final = 0.1
DROPPED: Final = 0.15  # of the rows once more without history, and as many without the chat
ROUNDS: Final = 250
BRANCH_ROUNDS: Final = 160
COMMON: Final[dict[str, Any]] = {
    "objective": "binary", "learning_rate": 0.03, "num_leaves": 8, "bagging_fraction": 0.7, "bagging_freq": 1,
    "lambda_l2": 10.0, "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1,
}  # fmt: skip
BRANCH: Final = {**COMMON, "min_data_in_leaf": 40, "feature_fraction": 0.6}
TREES: Final = {**COMMON, "min_data_in_leaf": 40, "feature_fraction": 0.4}

Floats = NDArray[np.float64]
Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Branches:
    """Each side alone: the text's linear reader, the history's trees; and the floor that reads only surface features."""

    text: Linear
    surface: Linear
    history: lgb.Booster

    def fused(self, rows: Rows) -> Floats:
        """Fused rows [n, len(COLUMNS)]."""
        own = np.asarray(self.history.predict(rows.history, raw_score=True, num_threads=1), np.float64)
        own[np.isnan(rows.history).all(axis=1)] = np.nan
        return np.concatenate([rows.history, own[:, None], rows.chat, text_shares(self.text, rows.wide)], axis=1)


def fit_branches(rows: Rows, seed: int) -> Branches:
    """Both branches and the surface floor."""
    known = ~np.isnan(rows.history).all(axis=1)
    data = lgb.Dataset(rows.history[known], rows.y[known], weight=rows.weight[known], feature_name=list(FEATURES))
    history = lgb.train({**BRANCH, "seed": seed}, data, num_boost_round=BRANCH_ROUNDS)
    return Branches(
        linear(rows.wide, rows.y, rows.weight, TEXT_STRENGTH),
        linear(rows.chat[:, SURFACE], rows.y, rows.weight, SURFACE_STRENGTH),
        history,
    )


def linear(x: Floats, y: Floats, weight: Floats, strength: float) -> Linear:
    """Logistic regression on standardised columns; `strength` is the inverse of its regularisation."""
    from sklearn.linear_model import LogisticRegression

    mean, spread = x.mean(axis=0), x.std(axis=0)
    scale = np.where(spread > 1e-6, 1.0 / np.maximum(spread, 1e-6), 0.0)
    model = LogisticRegression(C=strength, max_iter=400, tol=1e-4).fit((x - mean) * scale, y, sample_weight=weight)
    return Linear(mean, scale, np.asarray(model.coef_[0], np.float64), float(model.intercept_[0]))


def fused_out_of_fold(rows: Rows, seed: int) -> Floats:
    """Fused rows whose branch logits come from branches that have not seen the customer."""
    fold = rows.folds(INNER, seed)
    found = np.empty((len(rows.y), len(COLUMNS)))
    for k in range(INNER):
        part = fold == k
        found[part] = fit_branches(rows.where(~part), seed).fused(rows.where(part))
    return found


def with_gaps(fused: Floats, rows: Rows, seed: int) -> tuple[Floats, Floats, Floats]:
    """Rows, labels and weights with modality dropout: a share of them once more without history, another without the chat."""
    random = np.random.default_rng(seed)
    count = round(DROPPED * len(fused))
    anonymous = random.permutation(len(fused))[:count]
    silent = random.permutation(len(fused))[:count]
    x = np.concatenate([fused, fused[anonymous], fused[silent]])
    x[len(fused) : len(fused) + count, :SPLIT] = np.nan
    x[len(fused) + count :, SPLIT:] = np.nan
    every = np.concatenate([np.arange(len(fused)), anonymous, silent])
    return x, rows.y[every], rows.weight[every]


@dataclass(frozen=True, slots=True)
class Fitted:
    """One learner over both branches."""

    trees: lgb.Booster | None = None
    members: list[dict[str, Floats]] | None = None
    scaling: Scaling | None = None

    def logits(self, fused: Floats) -> Floats:
        """Uncalibrated logits of fused rows, float64 [n]."""
        if self.trees is not None:
            return logit(np.asarray(self.trees.predict(fused, num_threads=1), np.float64))
        assert self.members is not None  # noqa: S101 (one of the two is always there)
        assert self.scaling is not None  # noqa: S101
        return GatedSum(self.members, self.scaling).logits(fused)


def fit_trees(fused: Floats, rows: Rows, seed: int) -> Fitted:
    """Boosted trees over fused rows."""
    x, y, weight = with_gaps(fused, rows, seed)
    data = lgb.Dataset(x, y, weight=weight, feature_name=list(COLUMNS))
    return Fitted(trees=lgb.train({**TREES, "seed": seed}, data, num_boost_round=ROUNDS))


def fit_gated(fused: Floats, rows: Rows, seed: int) -> Fitted:
    """The gated sum over fused rows."""
    x, y, weight = with_gaps(fused, rows, seed)
    scale = gated_fit.scaling(x, SPLIT)
    return Fitted(members=gated_fit.fit(x, y, weight, scale, seed), scaling=scale)


def additive(fused: Floats, rows: Rows) -> Linear:
    """Both logits added with weights of their own: what a fusion without interactions would give."""
    return linear(np.nan_to_num(fused[:, [SPLIT - 1, SPLIT + HEARD - 1]]), rows.y, rows.weight, 1.0)
