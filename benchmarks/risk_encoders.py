"""What an encoder costs: milliseconds a text in Chinese and English, memory, time to the first vector.

    python benchmarks/risk_encoders.py ZH.jsonl.gz EN.jsonl.gz [--encoder use --encoder FOLDER …] [--json]

Each encoder runs in a process of its own, one thread, one text a call, as a turn comes in. What an encoder is worth is
printed by `staywell evaluate cross-validate --data FILE --encoder NAME`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

SAMPLE = 300


def measure(name: str, files: list[Path]) -> dict[str, float | str]:
    """One encoder in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.perf_counter()
    from retrieval.encoders import load
    from risk.conversation import data

    encoder = load(name)
    encoder.encode(["hello"])
    result: dict[str, float | str] = {
        "encoder": name,
        "dim": encoder.dim,
        "start_s": round(time.perf_counter() - started, 2),
    }
    for label, path in zip(("zh", "en"), files, strict=True):
        texts = [m.text for c in data.read([path])[:120] for m in c.messages if m.role == "contact"][:SAMPLE]
        used = time.process_time()
        for text in texts:
            encoder.encode([text])
        result[f"ms_{label}"] = round((time.process_time() - used) / len(texts) * 1000, 2)
    result["rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before)
    return result


def main() -> None:
    """Measure each encoder in a child and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs=2)
    parser.add_argument("--encoder", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.child, arguments.files)))
        return
    rows = []
    for name in arguments.encoder or ["use", "hash"]:
        command = [sys.executable, __file__, *map(str, arguments.files), "--child", name]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        rows.append(json.loads(found.stdout.splitlines()[-1]))
    print(json.dumps({"encoders": rows}) if arguments.json else "\n".join(map(str, rows)))


if __name__ == "__main__":
    main()
