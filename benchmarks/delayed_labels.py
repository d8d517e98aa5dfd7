"""What is told of the share of customers who stay away, before every label is known, against the truth.

    python -m benchmarks.delayed_labels [--shops 100] [--customers 1200] [--first 10000] [--json]

Each shop is made up (`risk.world`), its customers joining over two years, and looked at once: conversations of the last 180 days,
of which half have a window that is over. Four rules tell the share who order nothing for 90 days; the truth is the mean of the true
probabilities. Prints each rule's mean error, and in how many shops its 95 % interval holds the truth. Of the conversations whose
window is over it prints as well how their own truth differs from that of all, and how what is told of them differs from it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from risk.delayed import DAY, Floats, Spell, rates
from risk.world.people import HORIZON_DAYS, SPAN_DAYS, START, Life
from risk.world.shop import LAG_DAYS, draw

NOW = START + SPAN_DAYS * DAY
SINCE = NOW - 180 * DAY
RULES = ("naive", "known", "matured", "weighted")


def spells(lives: Sequence[Life], random: np.random.Generator) -> tuple[list[Spell], Floats]:
    """Conversations of the period with the next order, and the true chance of staying away after each."""
    found, truth = [], []
    for life in lives:
        joined = int(random.uniform(0, SPAN_DAYS) * DAY)  # later than the others by so much
        for talk in life.talks:
            ended = talk.ended_at + joined
            if SINCE <= ended < NOW:
                later = [order.ts_event + joined for order in life.orders if order.ts_event + joined > ended]
                found.append(Spell(life.customer, ended, min(later, default=None)))
                truth.append(talk.probability)
    return found, np.asarray(truth)


def measure(shops: int, customers: int, first: int) -> dict[str, Any]:
    """Errors and coverage over shops."""
    errors: dict[str, list[float]] = {rule: [] for rule in RULES}
    held: dict[str, list[bool]] = {rule: [] for rule in RULES}
    truths, sizes, older, own = [], [], [], []
    for seed in range(shops):
        lives = draw(customers, first + seed)["train"].lives
        found, chances = spells(lives, np.random.default_rng(seed))
        told = rates(found, NOW, horizon_days=HORIZON_DAYS, lag_days=LAG_DAYS, seed=seed)
        truth = float(chances.mean())
        over = np.asarray([spell.ended_at + (HORIZON_DAYS + LAG_DAYS) * DAY <= NOW for spell in found])
        older.append(float(chances[over].mean()) - truth)
        own.append(0.0 if told.matured is None else told.matured.value - float(chances[over].mean()))
        truths.append(truth)
        sizes.append(told.n)
        for rule in RULES:
            figure = getattr(told, rule)
            errors[rule].append(figure.value - truth)
            held[rule].append(figure.low <= truth <= figure.high)
    return {
        "shops": shops,
        "conversations": float(np.mean(sizes)),
        "truth": round(float(np.mean(truths)), 4),
        "matured": {"truth_differs": _mean(older), "error_of_its_own": _mean(own)},
        "rules": {
            rule: {
                "error": round(float(np.mean(errors[rule])), 4),
                "spread": round(float(np.std(errors[rule])), 4),
                "holds_truth": round(float(np.mean(held[rule])), 4),
            }
            for rule in RULES
        },
    }


def _mean(values: Sequence[float]) -> dict[str, float]:
    return {"value": round(float(np.mean(values)), 4), "error": round(float(np.std(values) / len(values) ** 0.5), 4)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", type=int, default=100)
    parser.add_argument("--customers", type=int, default=1200)
    parser.add_argument("--first", type=int, default=10_000, help="Seed of the first shop; the others follow.")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(arguments.shops, arguments.customers, arguments.first)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{found['shops']} shops, {found['conversations']:.0f} conversations each; truth {found['truth']:.3f}")
    for rule, one in found["rules"].items():
        print(
            f"{rule:9} error {one['error']:+.3f} ± {one['spread']:.3f}, interval holds the truth in {one['holds_truth']:.0%}"
        )
    older, own = found["matured"]["truth_differs"], found["matured"]["error_of_its_own"]
    print(
        f"of the conversations whose window is over the truth differs by {older['value']:+.4f} ± {older['error']:.4f}; "
        f"what is told of them is off by {own['value']:+.4f} ± {own['error']:.4f} (standard errors)"
    )


if __name__ == "__main__":
    main()
