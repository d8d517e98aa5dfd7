"""Search for better knobs (optuna): each trial is a cross-validation by conversation, judged by the log loss of turns' levels.

The folds are others than those that the chosen knobs are measured on afterwards, so the figure of the best trial never becomes
the figure of the model. Trials are asked for in rounds of `TOGETHER`, however many workers there are to judge them, so that the
search goes the same way on one processor and on a cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from risk.conversation.data import Conversation
from risk.conversation.knobs import OTHER_FOLDS, Knobs
from risk.conversation.train import Record, cross_validate, unrecorded
from risk.errors import ExtraMissing
from risk.scale.shards import HERE, Place, run
from risk.types import Vector

if TYPE_CHECKING:
    import optuna

TOGETHER: Final = 8


def log_loss(levels: np.ndarray, truth: np.ndarray) -> float:
    """Mean −ln p of the true level; `levels` [n, 3] probabilities, `truth` [n]."""
    return float(-np.log(np.clip(levels[np.arange(len(truth)), truth], 1e-9, None)).mean())


def judge(shared: tuple[Sequence[Conversation], Mapping[str, Vector], int], knobs: Knobs) -> float:
    """The log loss of one trial; `shared`: conversations, vectors of their texts, seed."""
    conversations, lookup, seed = shared
    _, readings = cross_validate(conversations, lookup, seed + OTHER_FOLDS, None, knobs)
    turns = readings.turns_only()
    return log_loss(turns.levels, turns.truth)


def search(
    conversations: Sequence[Conversation],
    lookup: Mapping[str, Vector],
    trials: int,
    seed: int,
    start: Knobs,
    report: Callable[[int, int], None],
    record: Record = unrecorded,
    place: Place = HERE,
) -> tuple[Knobs, list[dict[str, Any]]]:
    """The best knobs of `trials`, and every trial as `{knobs, log_loss}`. The first trial is `start` itself. Seeded."""
    try:
        import optuna
    except ImportError as missing:
        raise ExtraMissing("the search needs an extra: pip install 'staywell[train]'") from missing

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({name: value for name, value in start.as_json().items() if name != "augment"})
    tried: list[tuple[float, Knobs]] = []
    report(0, trials)
    while len(tried) < trials:
        asked = [study.ask() for _ in range(min(TOGETHER, trials - len(tried)))]
        knobs = [_knobs(trial, start) for trial in asked]
        before = len(tried)
        losses = run(
            place, judge, (conversations, lookup, seed), knobs,
            lambda done, total, before=before: report(before + done, trials) if done else None,  # type: ignore[misc]
            name=lambda one: f"trial {one.as_json()}",
        )  # fmt: skip
        for trial, loss, one in zip(asked, losses, knobs, strict=True):
            study.tell(trial, loss)
            tried.append((loss, one))
            record("search", "log_loss", loss, len(tried))
    best = min(tried, key=lambda t: t[0])[1]
    return best, [{"log_loss": round(loss, 4), **knobs.as_json()} for loss, knobs in tried]


def _knobs(trial: optuna.Trial, start: Knobs) -> Knobs:
    return Knobs(
        strength=trial.suggest_float("strength", 0.3, 8.0, log=True),
        vector_weight=trial.suggest_float("vector_weight", 0.005, 0.06, log=True),
        feature_weight=trial.suggest_float("feature_weight", 0.01, 0.2, log=True),
        net_share=trial.suggest_float("net_share", 0.0, 0.6),
        epochs=trial.suggest_int("epochs", 4, 20),
        rate=trial.suggest_float("rate", 5e-4, 5e-3, log=True),
        dropout=trial.suggest_float("dropout", 0.1, 0.5),
        augment=start.augment,
    )
