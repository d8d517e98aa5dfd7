"""Cost of one scored turn: does turn 150 cost what turn 5 costs?

    python benchmarks/risk_score.py [--json]

Plays one long made-up conversation through the shipped champion, several rounds interleaved with short ones, so that a busy
machine slows both alike. Prints microseconds of the step and of the score (the encoder is not in it) and the ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

from risk.registry import load_champion
from risk.types import History, Message, OrderRecord

TURNS, ROUNDS, WINDOW = 156, 12, 6
DAY = 86_400_000
NOW = 1_750_000_000_000
TEXTS = (
    "where is my order?",
    "还没有收到货,什么时候到",
    "> please wait a moment",
    "thanks, I will wait",
    "> 抱歉,请稍等",
    "还是没到",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    scorer = load_champion(None)
    dim = 512
    vectors = np.random.default_rng(0).normal(size=(len(TEXTS), dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    messages = [Message("bot" if t.startswith("> ") else "contact", t.removeprefix("> ")) for t in TEXTS]
    orders = tuple(OrderRecord(str(i), NOW - 40 * DAY * (i + 1), NOW - 40 * DAY * (i + 1), 5_000) for i in range(8))
    history = History(orders=orders)
    step: dict[int, list[float]] = {}
    score: dict[int, list[float]] = {}
    for _ in range(ROUNDS):
        state = scorer.initial()
        for turn in range(TURNS):
            which = turn % len(TEXTS)
            started = time.perf_counter()
            state = scorer.advance(state, vectors[which], messages[which])
            stepped = time.perf_counter()
            scorer.score(state, history, NOW)
            step.setdefault(turn, []).append((stepped - started) * 1e6)
            score.setdefault(turn, []).append((time.perf_counter() - stepped) * 1e6)

    def around(costs: dict[int, list[float]], turn: int) -> float:
        # a whole cycle of texts, so that both ends see the same ones; the minimum of rounds is the undisturbed cost
        return statistics.mean(min(costs[t]) for t in range(turn - turn % WINDOW, turn - turn % WINDOW + WINDOW))

    early, late = around(step, 6) + around(score, 6), around(step, 150) + around(score, 150)
    result = {
        "step_us": round(around(step, 150), 1),
        "score_us": round(around(score, 150), 1),
        "turn_5_us": round(early, 1),
        "turn_150_us": round(late, 1),
        "ratio": round(late / early, 3),
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{name:12} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
