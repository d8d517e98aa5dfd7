"""Do the highlighted turns matter? Dropping the top driver must lower the score more than dropping a random turn.

    python benchmarks/risk_deletion.py ../shared/data/conversations/jddc-train.jsonl.gz [--json]

Any conversation JSONL will do; the labels are not read. For every conversation whose last score names a turn that raised
it, the conversation is replayed without that turn, and without another contact turn drawn at random.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval.encoders import load as load_encoder
from risk.conversation import data
from risk.embeddings import CachedEncoder
from risk.metrics import bootstrap
from risk.registry import load_champion
from risk.scorer import ChampionScorer
from risk.types import Message, RiskScore, Vector

NOW = 1_750_000_000_000


def final(scorer: ChampionScorer, messages: Sequence[Message], lookup: dict[str, Vector]) -> RiskScore:
    """The score after the last message."""
    state = scorer.initial()
    for message in messages:
        state = scorer.advance(state, lookup[message.text], message)
    return scorer.score(state, None, NOW)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("conversations", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(".cache"))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    encoder = CachedEncoder(load_encoder("use"), arguments.cache)
    scorer = load_champion(None, encoder_fingerprint=encoder.fingerprint)
    conversations = data.read([arguments.conversations])
    lookup = encoder.lookup(m.text for c in conversations for m in c.messages)
    rng = np.random.default_rng(0)
    top, other = [], []
    for conversation in conversations:
        messages = list(conversation.messages)
        score = final(scorer, messages, lookup)
        raising = [d.seq for d in score.drivers if d.kind == "turn" and d.effect > 0 and d.seq is not None]
        if not raising:
            continue
        best = raising[0] - 1
        rest = [i for i, m in enumerate(messages) if m.role == "contact" and i != best]
        if not rest:
            continue
        drawn = int(rng.choice(rest))
        top.append(score.churn - final(scorer, messages[:best] + messages[best + 1 :], lookup).churn)
        other.append(score.churn - final(scorer, messages[:drawn] + messages[drawn + 1 :], lookup).churn)
    gain = np.array(top) - np.array(other)
    result = {
        "n": len(top),
        "top_turn": bootstrap(lambda i: float(np.array(top)[i].mean()), np.arange(len(top))).as_json(),
        "random_turn": bootstrap(lambda i: float(np.array(other)[i].mean()), np.arange(len(top))).as_json(),
        "difference": bootstrap(lambda i: float(gain[i].mean()), np.arange(len(top))).as_json(),
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{name:12} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
