"""Commands about effects: `evaluate uplift|policy|fairness`, `train uplift` and `simulate`, for the command line to mount."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from risk import fairness, ope
from risk import simulate as simulation
from risk.commands import AsJson, Seed, answer, progress, refusals
from risk.errors import DataRefused, ExtraMissing
from risk.uplift import measure, trial
from risk.uplift.train import train

Rounds = Annotated[int, typer.Option("--rounds", min=1, max=50, help="Turns of the loop.")]
Customers = Annotated[int, typer.Option("--customers", min=200, max=100_000, help="Customers a round.")]

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
    reward: Annotated[str, typer.Option("--reward", help=f"One of: {', '.join(ope.ALL_REWARDS)}.")] = "value",
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


def evaluate_fairness(
    log: Annotated[
        Path, typer.Option("--log", help="Decisions with outcomes: JSONL or JSONL.gz from `staywell export both`.")
    ],
    by: Annotated[str, typer.Option("--by", help=f"One of: {', '.join(fairness.GROUPS)}.")] = "language",
    label: Annotated[str, typer.Option("--label", help="Matured label that tells who stayed.")] = "inactive_90",
    as_json: AsJson = False,
) -> None:
    """How offers, people and alarms fall on groups of customers, with intervals and the largest difference."""
    with refusals():
        found = fairness.measure(fairness.read(log), by, label=label)
    answer({name: one.as_json() for name, one in found.items()}, as_json, f"By {by}")


def train_uplift(
    log: Annotated[Path, typer.Option("--log", help="Decisions with outcomes, from `staywell export both`.")],
    to: Annotated[Path, typer.Option("--out", help="The file to write, for example var/uplift.json.")],
    reward: Annotated[str, typer.Option("--reward", help=f"One of: {', '.join(ope.STAYED)}.")] = "stayed_90",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Learns from the log what offers, people and recommendations do for whom; the policy then chooses by it."""
    with refusals():
        _require_train_extra()
        if reward not in ope.STAYED:
            raise DataRefused(f"uplift is learned from one of: {', '.join(ope.STAYED)}")
        with progress() as report:
            model, left_out = train(ope.read_log(log, reward=reward), seed=seed, report=report)
        model.save(to)
    effects = {
        kind: {"average": effect.figures["average"], "learner": effect.learner, "n": effect.figures["n"]}
        for kind, effect in model.known.items()
    }
    answer(
        {"version": model.version, "path": str(to), "effects": effects, "left_to_prior": left_out},
        as_json,
        model.version,
    )


def simulate(
    rounds: Rounds = 5,
    customers: Customers = 3000,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Turns the loop in a world whose truth is known: decide, log, learn, decide better; beside fixed rules, risk and chance."""
    with refusals():
        _require_train_extra()
        with progress() as report:
            found = simulation.run(rounds=rounds, customers=customers, seed=seed, report=report)
    answer(simulation.as_json(found), as_json, "Simulated rounds")


def _require_train_extra() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as missing:
        raise ExtraMissing("measuring uplift needs scikit-learn: pip install 'staywell[train]'") from missing
