"""Whether guessed labels help: a challenger without them, one with, and the gate between, in shops whose newest windows are open.

    python -m benchmarks.guessed_labels [--shops 5] [--customers 3000] [--json]

Customers join over two years, so that of a shop's conversations some are older than window and lag, and some are not. For each shop
`staywell loop --guess` is done as the command does it. Printed: how many labels were guessed, how many of them turned out true, the
gate's figures of the model with guesses against the one without, and whether it was kept.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from assistant.loop import once
from benchmarks.delayed_labels import NOW
from retrieval.encoders import load
from risk import registry
from risk.conversation.data import Conversation
from risk.dataset import files
from risk.dataset.rows import Case, part
from risk.delayed import DAY
from risk.fusion import guesses
from risk.fusion.data import Case as Guess
from risk.gate import Limits
from risk.types import History
from risk.world.people import HORIZON_DAYS, SPAN_DAYS, Life, Talk
from risk.world.shop import KIND, LAG_DAYS, draw

MATURE = NOW - (HORIZON_DAYS + LAG_DAYS) * DAY
BOTH = ("reply:a", "reply:b")


def training_set(parent: Path, lives: tuple[Life, ...], seed: int) -> tuple[files.Dataset, dict[str, float]]:
    """As the loop would take it at `NOW`, nobody treated; and the true chance of leaving of each conversation that is open."""
    random = np.random.default_rng(seed)
    known, still_open, log, truth = [], [], [], {}
    for life in lives:
        moved = int(random.uniform(0, SPAN_DAYS) * DAY)  # joined later than in the simulator by so much
        for talk in life.talks:
            case = _case(life, talk, moved)
            if case.ended_at <= MATURE and talk.left is not None:
                known.append(case)
                log.append(_decision(case, random))
            elif MATURE < case.ended_at < NOW:
                still_open.append(case)
                truth[talk.id] = talk.probability
    parts = [part(log, known, still_open=still_open)]
    folder = files.write(parent, site="made-up", as_of=NOW, horizon_days=HORIZON_DAYS, parts=parts)
    return files.read(folder), truth


def _case(life: Life, talk: Talk, moved: int) -> Case:
    messages = tuple(replace(m, at_ms=(m.at_ms or 0) + moved) for m in talk.messages)
    orders = tuple(replace(o, ts_event=o.ts_event + moved, ts_ingested=o.ts_ingested + moved) for o in life.orders)
    conversation = Conversation(talk.id, life.language, messages, (None,) * len(messages), customer=life.customer)
    left = float(bool(talk.left)) if talk.ended_at + moved <= MATURE else float("nan")
    return Case(conversation, tuple(range(1, len(messages) + 1)), History(orders=orders), left, False, 1.0, False)


def _decision(case: Case, random: np.random.Generator) -> dict[str, Any]:
    """A reply that was drawn, and the label; what the gate's value needs."""
    talk, at = case.conversation, case.ended_at
    known = at + (HORIZON_DAYS + LAG_DAYS) * DAY
    label = {
        "id": f"l-{talk.id}",
        "type": KIND,
        "value": case.left,
        "ts_event": at,
        "ts_ingested": known,
        "supersedes": None,
    }
    return {
        "id": f"d-{talk.id}", "conversation_id": talk.id, "customer_key": case.customer, "ts_decision": at,
        "seq": max(seq for seq, m in zip(case.seqs, talk.messages, strict=True) if m.role == "contact"),
        "eligible": list(BOTH), "probabilities": [0.5, 0.5], "values": [0.0, 0.0], "action": BOTH[int(random.random() < 0.5)],
        "propensity": 0.5, "overrides": [], "outcomes": [label],
    }  # fmt: skip


def measure(customers: int, seed: int) -> dict[str, Any]:
    """One shop."""
    lives, encoder = draw(customers, seed)["train"].lives, load("use")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        settings = once.Settings(
            folder / "models", folder / files.FOLDER, folder / "cache", encoder,
            horizon_days=HORIZON_DAYS, seed=seed, limits=Limits(p95_ms=1000.0), guess=True,
        )  # fmt: skip
        registry.adopt(settings.registry)
        dataset, truth = training_set(settings.training, lives, seed)
        right: list[float] = []
        with watched(right, truth):
            found = once.turn(dataset, settings, lambda _stage, _done, _total: None)
    tried = found["guesses"]
    checks = {} if tried["gate"] is None else {check["name"]: check for check in tried["gate"]["checks"]}
    return {
        "labels": found["trained_on"],
        "open": tried["looked_at"],
        "guessed": tried["guessed"],
        "leaving": tried["leaving"],
        "right": round(float(np.mean(right)), 4) if right else None,
        "passed": bool(tried["gate"] and tried["gate"]["passed"]),
        "kept": tried["kept"],
        "lead": {name: checks[name]["figure"] for name in ("ap", "brier") if name in checks},
    }


@contextmanager
def watched(right: list[float], truth: Mapping[str, float]) -> Iterator[None]:
    """Notes how likely each guess is to come true, as nobody but the simulator knows."""
    guess = guesses.guess

    def noted(*arguments: Any) -> list[Guess]:
        found = guess(*arguments)
        for one in found:
            chance = truth[one.conversation.id]
            right.append(chance if one.left == 1.0 else 1.0 - chance)
        return found

    guesses.guess = noted  # type: ignore[assignment]
    try:
        yield
    finally:
        guesses.guess = guess


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", type=int, default=5)
    parser.add_argument("--customers", type=int, default=3000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    shops = []
    for seed in range(arguments.shops):
        shop = measure(arguments.customers, seed)
        shops.append(shop)
        if not arguments.json:
            lead = {
                name: f"{v['value']:+.4f} ({v['low']:+.4f} to {v['high']:+.4f})" for name, v in shop["lead"].items()
            }
            made = f"{shop['labels']} labels; {shop['guessed']} guessed of {shop['open']} open, right {shop['right']}"
            print(f"{made}; with them {lead}; {'kept' if shop['kept'] else 'not kept'}", flush=True)
    if arguments.json:
        print(json.dumps(shops, indent=2))


if __name__ == "__main__":
    main()
