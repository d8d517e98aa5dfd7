"""Measuring a model on files that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk.calibration import logit
from risk.conversation.data import Conversation
from risk.conversation.floors import Floors
from risk.conversation.readings import Readings, measure, targets
from risk.early_warning import table, thresholds_out_of_fold
from risk.errors import DataRefused
from risk.history import train as history_train
from risk.history.features import DAY
from risk.metrics import auc, average_precision, bootstrap, brier, calibration_error
from risk.scorer import ChampionScorer
from risk.text import observe
from risk.types import History, Vector


def replay(
    scorer: ChampionScorer, floors: Floors, conversations: Sequence[Conversation], lookup: Mapping[str, Vector]
) -> dict[str, Readings]:
    """Readings by the model and by both floors, step by step as they are served: a turn knows only what is before it."""
    rows: dict[str, list[tuple[Any, ...]]] = {"model": [], "tfidf": [], "surface": []}
    for number, conversation in enumerate(conversations):
        state = scorer.initial()
        wanted = targets(conversation)
        for i, message in enumerate(conversation.messages):
            features = observe(state.text, message)[1]
            state = scorer.advance(state, lookup[message.text], message)
            if max(wanted[i]) < 0:
                continue
            r = state.reading
            rows["model"].append((r.levels, r.dissatisfaction, r.ahead, r.whole, *wanted[i], number))
            for name, levels in floors.levels(message.text, features).items():
                rows[name].append((levels, levels[0], levels[0], floors.closing, *wanted[i], number))
    if not any(label[4] >= 0 for label in rows["model"]):
        raise DataRefused("no customer message carries `satisfaction`: there is nothing to measure against")
    return {name: _readings(found) for name, found in rows.items()}


def _readings(rows: Sequence[tuple[Any, ...]]) -> Readings:
    levels, bad, ahead, whole, level, coming, closing, group = (np.array(column) for column in zip(*rows, strict=True))
    return Readings.of_logits(levels, logit(bad), logit(ahead), whole, level, coming, closing, group)


def conversation_figures(
    readings: Mapping[str, Readings], alarms: Mapping[str, float], *, turns_only: bool = False, seed: int = 0
) -> dict[str, Any]:
    """`{n, accuracy, …, early_warning, baselines}`: the model beside its floors, each figure with a 95 % interval."""
    chosen = {name: r.turns_only() if turns_only else r for name, r in readings.items()}
    figures = measure(chosen["model"], seed=seed)
    figures["early_warning"] = table(chosen["model"], alarms, seed)
    floors = {name: measure(r, seed=seed) for name, r in chosen.items() if name != "model"}
    figures["baselines"] = {name: {k: v for k, v in f.items() if k != "n"} for name, f in floors.items()}
    return figures


def out_of_fold_figures(readings: Readings, *, turns_only: bool = False, seed: int = 0) -> dict[str, Any]:
    """Figures of readings out of fold; alarm thresholds come from the conversations of the other folds."""
    chosen = readings.turns_only() if turns_only else readings
    figures = measure(chosen, seed=seed)
    figures["early_warning"] = table(chosen, thresholds_out_of_fold(chosen, 5, seed), seed)
    return figures


def history_figures(histories: Mapping[str, History], as_of: int, horizon_days: int, seed: int) -> dict[str, Any]:
    """Churn of every earlier buyer at `as_of`, by a model that knew only label windows over by then."""
    _, end = history_train.span(histories)
    if as_of + horizon_days * DAY > end + DAY:
        raise DataRefused(f"the transactions end before the {horizon_days} days after --as-of are over")
    past = {name: known for name, history in histories.items() if (known := _until(history, as_of)).orders}
    if not past:
        raise DataRefused("nobody had bought anything by --as-of")
    trained = history_train.train(past, horizon_days, seed)
    model = trained.model()
    rows = history_train.snapshots(histories, [as_of], horizon_days)
    raw = model.raw(rows.x)
    p = np.array([trained.curve.apply(s)[0] for s in raw])
    recency = rows.x[:, 0]

    def of(measure: Callable[[NDArray[np.int64]], float]) -> dict[str, float | None]:
        return bootstrap(measure, rows.customer, seed=seed).as_json()

    return {
        "n": len(rows.y),
        "churn_rate": of(lambda i: float(rows.y[i].mean())),
        "auc": of(lambda i: auc(raw[i], rows.y[i])),
        "ap": of(lambda i: average_precision(raw[i], rows.y[i])),
        "brier": of(lambda i: brier(p[i], rows.y[i])),
        "ece": of(lambda i: calibration_error(p[i], rows.y[i])),
        "baselines": {"recency": {"auc": of(lambda i: auc(recency[i], rows.y[i]))}},
    }


def _until(history: History, as_of: int) -> History:
    """The part of a history that was known at `as_of`."""

    def known(record: Any) -> bool:
        return bool(record.ts_event <= as_of and record.ts_ingested <= as_of)

    return History(
        orders=tuple(o for o in history.orders if known(o)),
        returns=tuple(r for r in history.returns if known(r)),
        contacts=tuple(c for c in history.contacts if known(c)),
        first_seen_ms=history.first_seen_ms,
    )
