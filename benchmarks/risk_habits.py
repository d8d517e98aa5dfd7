"""Do annotators have habits? Whether one and the same short answer has the same level, within a conversation and across them.

    python benchmarks/risk_habits.py ../shared/data/conversations/jddc-train.jsonl.gz [--longest 6]

Pairs of contact messages with equal words, at most `--longest` characters, both labelled. Across conversations a text is compared
by its first label in each. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from itertools import combinations
from pathlib import Path

from risk.conversation.data import read


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--longest", type=int, default=6)
    arguments = parser.parse_args()
    within = [0, 0]
    first: dict[str, list[int]] = defaultdict(list)
    for conversation in read([arguments.data]):
        seen: dict[str, list[int]] = defaultdict(list)
        for message, level in zip(conversation.messages, conversation.levels, strict=True):
            text = message.text.strip()
            if level is not None and 0 < len(text) <= arguments.longest:
                seen[text].append(level)
        for text, levels in seen.items():
            first[text].append(levels[0])
            for one, other in combinations(levels, 2):
                within[0] += one == other
                within[1] += 1
    across = [0, 0]
    for levels in first.values():
        for one, other in combinations(levels, 2):
            across[0] += one == other
            across[1] += 1
    found = {
        "pairs_within": within[1],
        "same_within": round(within[0] / max(within[1], 1), 3),
        "pairs_across": across[1],
        "same_across": round(across[0] / max(across[1], 1), 3),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
