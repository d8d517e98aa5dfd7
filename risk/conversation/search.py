"""Search for better knobs (optuna): each trial is a cross-validation by conversation, judged by the log loss of turns' levels.

The folds are others than those that the chosen knobs are measured on afterwards, so the figure of the best trial never becomes
the figure of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from risk.conversation.data import Conversation
from risk.conversation.knobs import OTHER_FOLDS, Knobs
from risk.conversation.train import Record, cross_validate, unrecorded
from risk.errors import ExtraMissing
from risk.types import Vector


def log_loss(levels: np.ndarray, truth: np.ndarray) -> float:
    """Mean −ln p of the true level; `levels` [n, 3] probabilities, `truth` [n]."""
    return float(-np.log(np.clip(levels[np.arange(len(truth)), truth], 1e-9, None)).mean())


def search(
    conversations: Sequence[Conversation],
    lookup: Mapping[str, Vector],
    trials: int,
    seed: int,
    start: Knobs,
    report: Callable[[int, int], None],
    record: Record = unrecorded,
) -> tuple[Knobs, list[dict[str, Any]]]:
    """The best knobs of `trials`, and every trial as `{knobs, log_loss}`. The first trial is `start` itself. Seeded."""
    try:
        import optuna
    except ImportError as missing:
        raise ExtraMissing("the search needs an extra: pip install 'staywell[train]'") from missing

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tried: list[tuple[float, Knobs]] = []

    def judge(trial: optuna.Trial) -> float:
        knobs = Knobs(
            strength=trial.suggest_float("strength", 0.3, 8.0, log=True),
            vector_weight=trial.suggest_float("vector_weight", 0.005, 0.06, log=True),
            feature_weight=trial.suggest_float("feature_weight", 0.01, 0.2, log=True),
            net_share=trial.suggest_float("net_share", 0.0, 0.6),
            epochs=trial.suggest_int("epochs", 4, 20),
            rate=trial.suggest_float("rate", 5e-4, 5e-3, log=True),
            dropout=trial.suggest_float("dropout", 0.1, 0.5),
            augment=start.augment,
        )
        _, readings = cross_validate(conversations, lookup, seed + OTHER_FOLDS, None, knobs)
        turns = readings.turns_only()
        loss = log_loss(turns.levels, turns.truth)
        tried.append((loss, knobs))
        record("search", "log_loss", loss, len(tried))
        report(len(tried), trials)
        return loss

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({name: value for name, value in start.as_json().items() if name != "augment"})
    report(0, trials)
    study.optimize(judge, n_trials=trials)
    best = min(tried, key=lambda t: t[0])[1]
    return best, [{"log_loss": round(loss, 4), **knobs.as_json()} for loss, knobs in tried]
