"""Figures of a fusion beside its baselines: paired, over customers, and as a share of what could have been reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.calibration import logit
from risk.errors import DataRefused
from risk.fusion.data import Case
from risk.metrics import auc, average_precision, bootstrap, brier, calibration_error, log_loss
from risk.scorer import ChampionScorer
from risk.types import History, Vector

BRANCHES: Final = ("text", "history")
BASELINES: Final = (*BRANCHES, "recency", "surface")
COLD: Final = "cold_start"  # the documented priors, which serve until a fusion is learnt

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Json = dict[str, float | None]


def figures(
    scores: Mapping[str, Floats], p: Floats, y: Floats, groups: NDArray[Any], truth: Floats | None, *, seed: int = 0
) -> dict[str, Any]:
    """The answer of `staywell evaluate fusion`.

    `scores` [n] each: `fusion` and all of `BASELINES`, others are measured too; any monotone scale. `p` [n] is the fusion's
    calibrated probability, `y` [n] 1 for those who left. `gains` are differences on the same resampled customers; a baseline is
    beaten when the whole interval of the AUC's difference lies above 0. `truth` [n]: the true probabilities of a made-up shop.
    """

    def of(measure: Callable[[Ints], float]) -> Json:
        return bootstrap(measure, groups, seed=seed).as_json()

    fused = scores["fusion"]
    others = [name for name in scores if name != "fusion"]
    gains = {
        name: {
            "auc": of(lambda i, s=scores[name]: auc(fused[i], y[i]) - auc(s[i], y[i])),  # type: ignore[misc]
            "ap": of(lambda i, s=scores[name]: average_precision(fused[i], y[i]) - average_precision(s[i], y[i])),  # type: ignore[misc]
        }
        for name in others
    }
    found: dict[str, Any] = {
        "n": len(y),
        "customers": len(np.unique(groups)),
        "churn_rate": of(lambda i: float(y[i].mean())),
        "fusion": {
            "auc": of(lambda i: auc(fused[i], y[i])),
            "ap": of(lambda i: average_precision(fused[i], y[i])),
            "log_loss": of(lambda i: log_loss(p[i], y[i])),
            "brier": of(lambda i: brier(p[i], y[i])),
            "ece": of(lambda i: calibration_error(p[i], y[i])),
        },
        "baselines": {
            name: {
                "auc": of(lambda i, s=scores[name]: auc(s[i], y[i])),  # type: ignore[misc]
                "ap": of(lambda i, s=scores[name]: average_precision(s[i], y[i])),  # type: ignore[misc]
            }
            for name in others
        },
        "gains": gains,
        "beats": {name: bool((gains[name]["auc"]["low"] or 0.0) > 0) for name in others},
    }
    if truth is not None and not np.isnan(truth).any():
        found["ceiling"] = _ceiling(scores, y, truth, of)
    return found


def _ceiling(
    scores: Mapping[str, Floats], y: Floats, truth: Floats, of: Callable[[Callable[[Ints], float]], Json]
) -> dict[str, Any]:
    """What the true probabilities would reach, and how much of the way there from the better branch the fusion goes."""
    better = max(BRANCHES, key=lambda name: auc(scores[name], y))
    fused, single = scores["fusion"], scores[better]

    def share(i: Ints) -> float:
        start, end = auc(single[i], y[i]), auc(truth[i], y[i])
        return (auc(fused[i], y[i]) - start) / (end - start) if end > start else float("nan")

    return {
        "auc": of(lambda i: auc(truth[i], y[i])),
        "ap": of(lambda i: average_precision(truth[i], y[i])),
        "log_loss": of(lambda i: log_loss(truth[i], y[i])),
        "better_branch": better,
        "share_of_the_way": of(share),
    }


def served(
    scorer: ChampionScorer,
    cases: Sequence[Case],
    lookup: Mapping[str, Vector],
    progress: Callable[[int, int], None] | None = None,
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures of a model as it serves: each conversation replayed message by message, scored after its last contact message.

    `missing` says what is left when one side is unknown: the AUC for anonymous visitors, and for chats that have not begun.
    """
    if not scorer.has_fusion:
        raise DataRefused("this model has no fusion: train one with `staywell train fusion`")
    rows: list[dict[str, float]] = []
    for done, case in enumerate(cases, start=1):
        state = scorer.initial()
        silent = scorer.score(state, case.history, case.ended_at).churn
        last = max(i for i, m in enumerate(case.conversation.messages) if m.role == "contact")
        for message in case.conversation.messages[: last + 1]:
            state = scorer.advance(state, lookup[message.text], message)
        score = scorer.score(state, case.history, case.ended_at)
        rows.append(
            {
                **scorer.alone(state, case.history, case.ended_at),
                "p": score.churn,
                "fusion": score.churn_raw,
                "anonymous": scorer.score(state, History(), case.ended_at).churn_raw,
                "silent": silent,
                "y": case.left,
                "truth": np.nan if case.probability is None else case.probability,
            }
        )
        if progress is not None and (done % 50 == 0 or done == len(cases)):
            progress(done, len(cases))
    column = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    y, groups = column["y"], np.array([case.customer for case in cases])
    if len(np.unique(y)) < 2:
        raise DataRefused("every conversation has the same outcome: nothing can be measured")
    for name in ("history", "recency"):  # somebody without purchases stands in the middle
        known = column[name][~np.isnan(column[name])]
        column[name] = np.nan_to_num(column[name], nan=float(np.median(known)) if known.size else 0.0)
    scores = {"fusion": logit(column["fusion"])} | {name: column[name] for name in (*BASELINES, COLD)}
    found = figures(scores, column["p"], y, groups, column["truth"], seed=seed)
    found["missing"] = {
        name: {"auc": bootstrap(lambda i, s=column[side]: auc(s[i], y[i]), groups, seed=seed).as_json()}  # type: ignore[misc]
        for name, side in (("without_history", "anonymous"), ("without_chat", "silent"))
    }
    return found
