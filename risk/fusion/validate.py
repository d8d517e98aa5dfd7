"""What each way of scoring would have been worth on customers and times that it had not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk.errors import DataRefused
from risk.fusion.inputs import CHAT, SURFACE
from risk.fusion.learn import (
    Tick,
    additive,
    fit_branches,
    fit_gated,
    fit_trees,
    fused_out_of_fold,
)
from risk.fusion.model import HEARD, KINDS, SPLIT, Kind
from risk.fusion.rows import Rows
from risk.history.features import DAY, FEATURES
from risk.history.model import NEEDED
from risk.metrics import auc

OUTER: Final = 5
CUT: Final = 0.6  # share of the conversations that lie before the cut
ENOUGH: Final = 100  # rows on each side of the cut that were known by then, else the split is by customer alone
GIVEAWAY: Final = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """`logits[name]` [m] of the rows `where` [m]; none of the models had seen the customer, nor anything after `cut`."""

    rows: Rows
    logits: Mapping[str, Floats]
    split: str

    @property
    def final(self) -> NDArray[np.bool_]:
        """The ends of conversations: what figures are made of."""
        return self.rows.final


def out_of_fold(rows: Rows, horizon_days: int, seed: int, tick: Tick) -> OutOfFold:
    """Both learners, both branches and the floors: fitted on other customers' rows whose outcome was known before the cut."""
    refuse_giveaways(rows)
    fold = rows.folds(OUTER, seed)
    cut = int(np.quantile(rows.at[rows.final], CUT))
    known = rows.at + horizon_days * DAY <= cut
    later = rows.at > cut
    in_time = bool(known.sum() >= ENOUGH and later.sum() >= ENOUGH and len(np.unique(rows.y[known])) == 2)
    if not in_time:
        known, later = np.ones(len(rows.y), bool), np.ones(len(rows.y), bool)
    places: list[NDArray[np.int64]] = []
    found: dict[str, list[Floats]] = {}
    for k in range(OUTER):
        learnt, judged = rows.where(known & (fold != k)), np.flatnonzero(later & (fold == k))
        if len(np.unique(learnt.y)) < 2:
            raise DataRefused("every customer of a fold has the same outcome: too little to learn from")
        places.append(judged)
        for name, values in _one(learnt, rows.where(judged), seed).items():
            found.setdefault(name, []).append(values)
        tick()
    split = f"{OUTER} folds by customer"
    if in_time:
        split += f", each learnt from outcomes known before the newest {1 - CUT:.0%} of the conversations and judged on those"
    else:
        split += "; the log is too short to be split by time as well"
    return OutOfFold(
        rows.where(np.concatenate(places)), {name: np.concatenate(parts) for name, parts in found.items()}, split
    )


def _one(learnt: Rows, judged: Rows, seed: int) -> dict[str, Floats]:
    branches = fit_branches(learnt, seed)
    inner, fused = fused_out_of_fold(learnt, seed), branches.fused(judged)
    both = fused[:, [SPLIT - 1, SPLIT + HEARD - 1]]
    learners = {"trees": fit_trees, "gated": fit_gated}
    found: dict[str, Floats] = {kind: learners[kind](inner, learnt, seed).logits(fused) for kind in KINDS}
    return {
        **found,
        "additive": additive(inner, learnt).logits(np.nan_to_num(both)),
        "text": both[:, 1],
        "history": np.nan_to_num(both[:, 0], nan=float(np.nanmean(both[:, 0]))),
        "recency": np.nan_to_num(judged.history[:, FEATURES.index(NEEDED)], nan=0.0),
        "surface": branches.surface.logits(judged.chat[:, SURFACE]),
    }


def choose(found: OutOfFold) -> Kind:
    """The learner with the smaller log loss out of fold."""
    y = found.rows.y
    losses = {kind: float(np.mean(np.logaddexp(0, found.logits[kind]) - y * found.logits[kind])) for kind in KINDS}
    return min(KINDS, key=lambda kind: losses[kind])


def refuse_giveaways(rows: Rows) -> None:
    """Raises `DataRefused` when one input alone all but tells the outcome: something of afterwards has found its way in."""
    names = (*FEATURES, *CHAT)
    x = np.concatenate([rows.history, rows.chat], axis=1)[rows.final]
    y = rows.y[rows.final]
    for name, column in zip(names, x.T, strict=True):
        known = ~np.isnan(column)
        alone = auc(column[known], y[known])
        if known.sum() >= ENOUGH and max(alone, 1 - alone) > GIVEAWAY:
            raise DataRefused(f"{name} alone tells the outcome (AUC {alone:.3f}): it must not be known beforehand")
