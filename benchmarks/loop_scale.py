"""From so many logged decisions to a gated challenger: seconds by stage, and how they grow.

    python -m benchmarks.loop_scale --decisions 10000,30000,100000 [--work DIR] [--json]

For each size a new installation is made, a made-up shop is put straight into its database (`staywell simulate log`; not counted),
and `staywell loop` is run on it as a process of its own, like cron would. Nothing has been encoded before: the encoder's time is
counted in full. `growth` is the ratio of seconds over the ratio of decisions, 1.0 for linear, from the first size to each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STAGES = ("mature", "take", "encode", "train", "gate", "review")
REFUSED = 3  # of `staywell loop`: the challenger did not pass, which is a result as well


def staywell(folder: Path, *arguments: str) -> tuple[dict[str, Any], float]:
    """What a command answers, and its seconds. Raises when it fails."""
    started = time.monotonic()
    command = [sys.executable, "-m", "assistant.cli", *arguments, "--data-dir", str(folder), "--json"]
    settings = {**os.environ, "STAYWELL_DATA_DIR": str(folder), "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, env=settings, check=False)
    if done.returncode not in (0, REFUSED):
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout), time.monotonic() - started


def measure(decisions: int, parent: Path) -> dict[str, Any]:
    """One size, in a folder of its own."""
    folder = parent / f"loop-{decisions}"
    folder.mkdir(parents=True)
    filled, filling = staywell(folder, "simulate", "log", "--site", "made-up", "--decisions", str(decisions))
    found, whole = staywell(folder, "loop", "--site", "made-up")
    return {
        "decisions": filled["decisions"],
        "conversations": filled["conversations"],
        "filled_in": round(filling, 1),
        "seconds": {stage: found["seconds"][stage] for stage in STAGES},
        "whole": round(whole, 1),
        "trained_on": found["trained_on"],
        "judged_on": found["judged_on"],
        "challenger": found["challenger"],
        "passed": found["gate"]["passed"],
    }


def growth(rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Of each size over the first: seconds' ratio ÷ decisions' ratio, whole and by stage (processor time)."""
    first, found = rows[0], []
    for row in rows[1:]:
        more = row["decisions"] / first["decisions"]
        ratios = {"decisions": round(more, 2), "whole": round(row["whole"] / first["whole"] / more, 2)}
        for stage in STAGES:
            before = first["seconds"][stage]["processor"]
            ratios[stage] = round(row["seconds"][stage]["processor"] / before / more, 2) if before else 0.0
        found.append(ratios)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", default="10000,30000,100000")
    parser.add_argument(
        "--work", type=Path, help="Where the installations are made; by default a folder that is removed."
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.decisions.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        rows = []
        for size in sizes:
            row = measure(size, arguments.work or Path(temporary))
            rows.append(row)
            if not arguments.json:
                spent = ", ".join(
                    f"{stage} {row['seconds'][stage]['wall']:.0f} ({row['seconds'][stage]['processor']:.0f})"
                    for stage in STAGES
                )
                verdict = "passed" if row["passed"] else "refused"
                print(
                    f"{row['decisions']} decisions, {row['conversations']} conversations: {row['whole']:.0f} s, challenger "
                    f"{verdict}; wall (processor) seconds: {spent}",
                    flush=True,
                )
    ratios = growth(rows)
    if arguments.json:
        print(json.dumps({"sizes": rows, "growth": ratios}, indent=2))
    for one in [] if arguments.json else ratios:
        print("growth", one)


if __name__ == "__main__":
    main()
