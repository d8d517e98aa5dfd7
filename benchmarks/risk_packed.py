"""Packed encoding against one text at a time, a padded batch, and plain sentence-transformers calls.

    python benchmarks/risk_packed.py FOLDER [--sessions 32] [--rounds 6] [--json]

FOLDER: a BERT-like sentence-transformers model. The texts are customer turns of mixed length. All ways run in turn within each
round, on one thread, and are compared by processor time, so that a busy machine slows all alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

TURNS = (
    "hi", "Where is my order?", "I ordered two kettles last week and both arrived broken, what happens now?", "yes please",
    "The tracking page has not moved since Monday and nobody answers the phone.", "ok", "Can I change the delivery address?",
    "I want my money back.",
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--sessions", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import torch

    from retrieval.encoders import SentenceTransformersEncoder
    from retrieval.packed import PackedEncoder

    torch.set_num_threads(1)
    texts = [f"{TURNS[i % len(TURNS)]} {i}" for i in range(arguments.sessions)]
    plain, packed, half = (
        SentenceTransformersEncoder(arguments.folder),
        PackedEncoder(arguments.folder),
        PackedEncoder(arguments.folder, bf16=True),
    )
    ways: dict[str, Callable[[], object]] = {
        "sentence_transformers_a_turn": lambda: [plain.encode([t]) for t in texts],
        "sentence_transformers_padded": lambda: plain.encode(texts),
        "one_at_a_time": lambda: [packed.encode([t]) for t in texts],
        "packed": lambda: packed.encode(texts),
        "packed_bf16": lambda: half.encode(texts),
    }
    costs: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            started = time.process_time()
            way()
            costs[name].append((time.process_time() - started) / len(texts) * 1000)
    middle = {name: statistics.median(values) for name, values in costs.items()}
    expected = plain.encode(texts)
    result = {
        "ms_a_text": {name: round(value, 3) for name, value in middle.items()},
        "packed_over_one_at_a_time": round(middle["one_at_a_time"] / middle["packed"], 2),
        "packed_over_sentence_transformers": round(middle["sentence_transformers_a_turn"] / middle["packed"], 2),
        "bf16_over_sentence_transformers": round(middle["sentence_transformers_a_turn"] / middle["packed_bf16"], 2),
        "lowest_cosine": round(float(np.min((expected * packed.encode(texts)).sum(1))), 6),
        "lowest_cosine_bf16": round(float(np.min((expected * half.encode(texts)).sum(1))), 6),
    }
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
