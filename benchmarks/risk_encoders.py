"""What encoders are worth to the conversation model: out of fold by conversation, each beside the first one named.

    python benchmarks/risk_encoders.py ../shared/data/conversations/jddc-train.jsonl.gz \\
      --encoder use --encoder e5 --encoder packed:FOLDER --encoder hash [--most 300] [--fold 0 --fold 1] [--json]

All encoders are measured on the same folds, so that the differences (`over_first`) are paired over conversations. `characters`
is the floor without an encoder: TF-IDF of a turn's characters and a logistic regression, on these folds too. `lora:NAME` adapts
the encoder's last layers in each fold anew, to the other folds' labels (minutes); `noisy:NAME` trains with a noisy copy of each
conversation (as `--augment 1`). Vectors are kept in `--cache`. What an encoder costs is printed by `staywell bench encoder`, what
it is worth in finding scripts by `staywell evaluate scripts --encoder NAME`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from retrieval.encoders import load
from risk.calibration import logit
from risk.conversation import lora
from risk.conversation import train as conversation_train
from risk.conversation.data import DISSATISFIED, Conversation, folds, read
from risk.conversation.floors import fit_floors
from risk.conversation.knobs import Knobs
from risk.conversation.readings import Readings, measure, targets
from risk.embeddings import CachedEncoder
from risk.metrics import accuracy, auc, bootstrap
from risk.train import SEED
from risk.types import Vector

ADAPTED, NOISY = "lora:", "noisy:"
FIGURES = ("accuracy", "macro_f1", "dissatisfied_auc", "ece")


def _said(stage: str, done: int, total: int) -> None:
    if done == total:
        print(stage, file=sys.stderr, flush=True)


def by_model(conversations: Sequence[Conversation], encoder: str, cache: Path, measured: Sequence[int]) -> Readings:
    """Readings out of fold of the conversation model over one encoder."""
    name = encoder.removeprefix(ADAPTED).removeprefix(NOISY)
    knobs = Knobs(augment=int(encoder.startswith(NOISY)))
    texts = conversation_train.texts(conversations, knobs, SEED)
    lookup = CachedEncoder(load(name), cache).lookup(texts)
    adapted = None
    if encoder.startswith(ADAPTED):
        used = [c for c in conversations if c.messages]
        fold = conversation_train.parts(used, SEED)
        source = lora.source_of(name)
        adapted = [
            lora.fold_lookup(source, used, fold, k, texts, SEED, lora.Adaptation(), _said) if k in measured else lookup
            for k in range(conversation_train.FOLDS)
        ]
    _, readings = conversation_train.cross_validate(
        conversations, lookup, SEED, knobs=knobs, fold_lookups=adapted, measured=measured
    )
    return readings


def by_characters(conversations: Sequence[Conversation], measured: Sequence[int]) -> Readings:
    """Readings out of fold of the floor that knows the characters of a turn alone."""
    used = [c for c in conversations if c.messages]
    nothing: Mapping[str, Vector] = dict.fromkeys((m.text for c in used for m in c.messages), np.zeros(1, np.float32))
    rows = [conversation_train.prepare(c, nothing, 1.0, number) for number, c in enumerate(used)]
    fold = folds(used, conversation_train.FOLDS, SEED)
    found: list[tuple[Any, ...]] = []
    for k in measured:
        learnt = [row for row, f in zip(rows, fold, strict=True) if f != k]
        closing = [row.conversation.level for row in learnt if row.conversation.level is not None]
        floors = fit_floors(conversation_train.labelled_turns(learnt), closing)
        for number, (row, f) in enumerate(zip(rows, fold, strict=True)):
            for message, turn, wanted in zip(
                row.conversation.messages, row.turns, targets(row.conversation), strict=True
            ):
                if f == k and turn is not None and max(wanted) >= 0:
                    levels = floors.levels(message.text, turn.features)["tfidf"]
                    found.append((number, levels, floors.closing, *wanted))
    found.sort(key=lambda row: row[0])
    group, levels, whole, level, coming, closed = (np.array(column) for column in zip(*found, strict=True))
    bad = logit(levels[:, DISSATISFIED])
    return Readings.of_logits(levels, bad, bad, whole, level, coming, closed, group)


def _ordered(readings: Readings) -> Readings:
    """By conversation, whatever the order of the folds was."""
    order = np.argsort(readings.conversation, kind="stable")
    return Readings(*(getattr(readings, field.name)[order] for field in fields(readings)))


def over(readings: Readings, first: Readings) -> dict[str, Any]:
    """How much higher accuracy and AUC are than those of `first`, paired over conversations."""
    one, other = (_ordered(r) for r in (readings, first))

    def gain(figure: str, rows: np.ndarray) -> float:
        if figure == "accuracy":
            return accuracy(one.levels.argmax(1)[rows], one.truth[rows]) - accuracy(
                other.levels.argmax(1)[rows], other.truth[rows]
            )
        bad = one.truth[rows] == DISSATISFIED
        return auc(one.bad[rows], bad) - auc(other.bad[rows], bad)

    names = ("accuracy", "dissatisfied_auc")
    return {n: bootstrap(lambda i, n=n: gain(n, i), one.conversation).as_json() for n in names}  # type: ignore[misc]


def main() -> None:
    """A line an encoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--encoder", action="append", required=True)
    parser.add_argument("--most", type=int, default=None, help="only the first so many conversations")
    parser.add_argument("--fold", action="append", type=int, choices=range(conversation_train.FOLDS), help="only these")
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    conversations = read([given.data])[: given.most]
    measured = given.fold or range(conversation_train.FOLDS)
    found: dict[str, Any] = {}
    first: Readings | None = None
    for name in [*given.encoder, "characters"]:
        began = time.process_time()
        if name == "characters":
            readings = by_characters(conversations, measured)
        else:
            readings = by_model(conversations, name, given.cache, measured)
        figures = {key: value for key, value in measure(readings).items() if key in ("n", *FIGURES)}
        found[name] = figures if first is None else figures | {"over_first": over(readings, first)}
        first = first or readings
        shown = "  ".join(f"{key} {figures[key]['value']:.3f}" for key in FIGURES)
        line = f"{name[-40:]:40}  {shown}  ({time.process_time() - began:.0f} s)"
        print(line, file=sys.stderr if given.json else sys.stdout, flush=True)
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
