"""`staywell bench score`: does turn 150 of a conversation cost what turn 5 costs?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from retrieval.encoders import load as load_encoder
from risk.commands import AsJson, EncoderName, answer, progress, refusals
from risk.registry import load_champion
from risk.types import History, Message, OrderRecord

_DAY_MS: Final = 86_400_000
_NOW: Final = 1_750_000_000_000
_TALK: Final = (
    Message("contact", "where is my order?"),
    Message("contact", "还没有收到货,什么时候到"),
    Message("bot", "please wait a moment"),
    Message("contact", "thanks, I will wait"),
    Message("bot", "抱歉,请稍等"),
    Message("contact", "还是没到"),
)
EARLY: Final = 6  # messages; a whole cycle of the talk begins here and at LATE, so that both ends read the same texts
LATE: Final = 150


def score(
    model: Annotated[
        Path | None, typer.Option("--model", help="Registry folder or artefact. Default: the shipped one.")
    ] = None,
    encoder: EncoderName = "use",
    rounds: Annotated[int, typer.Option(min=1, help="Conversations played; each message counts with its best.")] = 12,
    as_json: AsJson = False,
) -> None:
    """Milliseconds of processor time that a message costs (encoding, a step, a score), and turn 150 over turn 5."""
    with refusals():
        loaded = load_encoder(encoder)
        scorer = load_champion(model, encoder_fingerprint=loaded.fingerprint)
        with progress() as report:
            result = measure(scorer, loaded, rounds, lambda done: report("playing", done, rounds))
    answer({"model": scorer.version, "rounds": rounds} | result, as_json, "A message's cost, ms")


def measure(scorer: Any, encoder: Any, rounds: int, report: Callable[[int], None]) -> dict[str, float]:
    """Costs in milliseconds of processor time. A message counts with its best round, which is what it costs undisturbed."""
    orders = tuple(OrderRecord(str(n), _NOW - 40 * _DAY_MS * n, _NOW - 40 * _DAY_MS * n, 5_000) for n in range(1, 9))
    history = History(orders=orders)
    length = LATE + len(_TALK)
    costs = {part: [float("inf")] * length for part in ("encode", "step", "score")}
    encoder.encode([_TALK[0].text])
    for done in range(1, rounds + 1):
        state = scorer.initial()
        for place in range(length):
            message = _TALK[place % len(_TALK)]
            times = [time.process_time()]
            vector = encoder.encode([message.text])[0]
            times.append(time.process_time())
            state = scorer.advance(state, vector, message)
            times.append(time.process_time())
            scorer.score(state, history, _NOW)
            times.append(time.process_time())
            for part, began, ended in zip(costs, times[:-1], times[1:], strict=True):
                costs[part][place] = min(costs[part][place], (ended - began) * 1e3)
        report(done)

    def cycle(start: int, *parts: str) -> float:
        return sum(statistics.mean(costs[part][start : start + len(_TALK)]) for part in parts)

    early, late = cycle(EARLY, *costs), cycle(LATE, *costs)
    return {
        **{f"{part}_ms": statistics.mean(values[LATE:]) for part, values in costs.items()},
        "turn_5_ms": early,
        "turn_150_ms": late,
        "turn_150_over_turn_5": late / early,
        "turn_150_over_turn_5_without_encoding": cycle(LATE, "step", "score") / cycle(EARLY, "step", "score"),
    }
