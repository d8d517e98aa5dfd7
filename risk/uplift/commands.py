"""`staywell evaluate uplift` and `staywell evaluate policy`, for mounting on the evaluate command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from risk import ope
from risk.commands import AsJson, Seed, answer, progress, refusals
from risk.errors import ExtraMissing
from risk.uplift import measure, trial

REFUSED = 3  # exit code of an evaluation that must not be relied on


def evaluate_uplift(
    data: Annotated[Path, typer.Option("--data", help="The trial to measure on: CSV or CSV.gz, one line a person.")],
    treatment: Annotated[str, typer.Option("--treatment", help="COLUMN=VALUE of the treated.")],
    control: Annotated[str, typer.Option("--control", help="COLUMN=VALUE of those left alone.")],
    outcome: Annotated[str, typer.Option("--outcome", help="Column of the outcome: 0 or 1, or an amount.")],
    train: Annotated[
        Path | None, typer.Option("--train", help="Rows to choose and fit on. Without: cross-fitted on the data.")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option("--drop", help="Columns not to rank by; may be given several times.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Ranks people by uplift, risk and response, and measures how much treating the top of each list would gain."""
    with refusals():
        _require_train_extra()
        arms = {"treatment": trial.Arm.parse(treatment), "control": trial.Arm.parse(control)}
        rows = trial.read(data, outcome=outcome, **arms)
        train_rows = None if train is None else trial.read(train, outcome=outcome, **arms)
        with progress() as report:
            found = measure.measure(rows, train_rows, drop=drop or (), seed=seed, report=report)
    answer(found.as_json(), as_json, f"Uplift on {data.name}")


def evaluate_policy(
    log: Annotated[
        Path, typer.Option("--log", help="Decisions with outcomes: JSONL or JSONL.gz from `staywell export both`.")
    ],
    policy: Annotated[str, typer.Option("--policy", help=f"One of: {', '.join(ope.POLICIES)}.")],
    reward: Annotated[str, typer.Option("--reward", help=f"One of: {', '.join(ope.REWARDS)}.")] = "value",
    window_days: Annotated[int, typer.Option("--window-days", min=0, help="Days after a decision that count.")] = 30,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Judges a policy from the log of another, or refuses when the log cannot tell (exit code 3)."""
    with refusals():
        rows = ope.read_log(log, reward=reward, window_days=window_days)
        found = ope.evaluate(rows, policy, seed=seed)
    answer(found.as_json(), as_json, f"Policy {policy} on {log.name}")
    if found.refused:
        raise typer.Exit(REFUSED)


def _require_train_extra() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as missing:
        raise ExtraMissing("measuring uplift needs scikit-learn: pip install 'staywell[train]'") from missing
