"""Measuring a model on files that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk.conversation.data import DISSATISFIED, Conversation, upcoming
from risk.errors import DataRefused
from risk.history import train as history_train
from risk.history.features import DAY
from risk.metrics import accuracy, auc, average_precision, bootstrap, brier, calibration_error, macro_f1
from risk.scorer import ChampionScorer
from risk.types import History, Vector


@dataclass(frozen=True, slots=True)
class Turns:
    """What a model said after each labelled customer turn, and the labels."""

    levels: NDArray[np.float64]  # [n, 3] probabilities
    ahead: NDArray[np.float64]  # [n] probability that one of the next three is dissatisfied
    truth: NDArray[np.int64]  # [n] 0, 1, 2
    truth_ahead: NDArray[np.int64]  # [n] 0, 1, or −1 where nothing follows
    conversation: NDArray[np.int64]  # [n]


def replay(scorer: ChampionScorer, conversations: Sequence[Conversation], lookup: Mapping[str, Vector]) -> Turns:
    """Step by step, as it is served: a turn's reading knows only the messages up to it."""
    rows: list[tuple[tuple[float, float, float], float, int, int, int]] = []
    for number, conversation in enumerate(conversations):
        state = scorer.initial()
        ahead = upcoming(conversation.levels)
        for i, (message, level) in enumerate(zip(conversation.messages, conversation.levels, strict=True)):
            state = scorer.advance(state, lookup[message.text], message)
            if level is not None:
                coming = ahead[i]
                rows.append(
                    (state.reading.levels, state.reading.ahead, level, -1 if coming is None else int(coming), number)
                )
    if not rows:
        raise DataRefused("no customer message carries `satisfaction`: there is nothing to measure against")
    levels, ahead_p, truth, truth_ahead, group = zip(*rows, strict=True)
    return Turns(np.array(levels), np.array(ahead_p), np.array(truth), np.array(truth_ahead), np.array(group))


def conversation_figures(turns: Turns, seed: int = 0) -> dict[str, Any]:
    """Figures with 95 % intervals over conversations."""
    bad = (turns.truth == DISSATISFIED).astype(float)
    guess = turns.levels.argmax(1)
    known = turns.truth_ahead >= 0

    def of(measure: Callable[[NDArray[np.int64]], float]) -> dict[str, float | None]:
        return bootstrap(measure, turns.conversation, seed=seed).as_json()

    return {
        "n": len(bad),
        "accuracy": of(lambda i: accuracy(guess[i], turns.truth[i])),
        "macro_f1": of(lambda i: macro_f1(guess[i], turns.truth[i])),
        "dissatisfied_auc": of(lambda i: auc(turns.levels[i, 0], bad[i])),
        "dissatisfied_ap": of(lambda i: average_precision(turns.levels[i, 0], bad[i])),
        "forecast_auc": of(lambda i: auc(turns.ahead[i][known[i]], turns.truth_ahead[i][known[i]])),
        "ece": of(lambda i: calibration_error(turns.levels[i, 0], bad[i])),
    }


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
