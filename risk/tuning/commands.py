"""`staywell train private`, `staywell train federated` and `staywell evaluate tuning`, for the command line to mount."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.encoders import load as load_encoder
from risk import artefact, registry
from risk import train as training
from risk.artefact import Artefact
from risk.commands import AsJson, Base, Cache, Out, Promote, Seed, answer, progress, refusals
from risk.embeddings import CachedEncoder
from risk.tuning import measure
from risk.tuning.federated import Plan
from risk.tuning.layer import Frozen, join
from risk.tuning.private import Budget
from risk.tuning.train import TUNED, learn_federated, learn_private, shops_of

PLAN = Plan()

Name = Annotated[str, typer.Option("--name", help="The artefact's name.")]
Delta = Annotated[
    float, typer.Option("--delta", help="Chance that ε does not hold; less than 1 in the number of people.")
]
Rounds = Annotated[int, typer.Option("--rounds", min=1, max=500, help="Rounds of federated averaging.")]
Epochs = Annotated[
    int, typer.Option("--local-epochs", min=1, max=50, help="How often a shop goes over its rows between two rounds.")
]
Files = Annotated[
    list[Path],
    typer.Option("--data", help="Conversations with `satisfaction`, JSONL or JSONL.gz; a file a shop, several times."),
]


def _opened(path: Path | None, cache: Path) -> tuple[Artefact, CachedEncoder]:
    base = artefact.load(registry.champion_folder(registry.SHIPPED if path is None else path))
    return base, CachedEncoder(load_encoder(base.encoder_name), cache)


def _finish(model: Artefact, out: Path, promote: bool, as_json: bool) -> None:
    folder = training.publish(model, out)
    if promote:
        registry.promote(out, model.version)
    result: dict[str, Any] = {"version": model.version, "path": str(folder), "promoted": promote}
    answer(result | model.data["conversations"][TUNED][-1], as_json, model.version)


def train_private(
    data: Files,
    out: Out,
    epsilon: Annotated[
        float, typer.Option("--epsilon", min=0.05, max=100, help="What may be learnt of a person.")
    ] = 8.0,
    delta: Delta = 1e-5,
    base: Base = None,
    name: Name = "private",
    cache: Cache = Path(".cache"),
    promote: Promote = False,
    as_json: AsJson = False,
) -> None:
    """Learn from a shop's own conversations without keeping anybody's: a layer on --base, by DP-SGD, at most ε told of a person."""
    with refusals():
        kept, encoder = _opened(base, cache)
        with progress() as report:
            rows = join([shop.rows for shop in shops_of(kept, encoder, data, report)])
            model = learn_private(name, kept, rows, Budget(epsilon, delta), training.SEED, report)
        _finish(model, out, promote, as_json)


def train_federated(
    data: Files,
    out: Out,
    rounds: Rounds = PLAN.rounds,
    local_epochs: Epochs = PLAN.local.epochs,
    flower: Annotated[
        bool, typer.Option("--flower", help="Run the rounds in Flower's engine (extra `federated`).")
    ] = False,
    base: Base = None,
    name: Name = "federated",
    cache: Cache = Path(".cache"),
    seed: Seed = training.SEED,
    promote: Promote = False,
    as_json: AsJson = False,
) -> None:
    """Learn a layer on --base from several shops' conversations, a file a shop, of which only layers would have to travel."""
    with refusals():
        kept, encoder = _opened(base, cache)
        plan = Plan(rounds, replace(PLAN.local, epochs=local_epochs))
        with progress() as report:
            shops = shops_of(kept, encoder, data, report)
            model = learn_federated(name, kept, shops, data, plan, seed, report, over_flower=flower)
        _finish(model, out, promote, as_json)


def evaluate_tuning(
    data: Files,
    epsilon: Annotated[
        list[float] | None,
        typer.Option("--epsilon", min=0.05, max=100, help="May be given several times. Default: 2 and 8."),
    ] = None,
    delta: Delta = 1e-5,
    rounds: Rounds = PLAN.rounds,
    local_epochs: Epochs = PLAN.local.epochs,
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Registry or artefact folder of the base. Default: the shipped model."),
    ] = None,
    cache: Cache = Path(".cache"),
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """What learning privately and learning together cost, out of fold, beside learning in one place and the base alone."""
    with refusals():
        kept, encoder = _opened(model, cache)
        plan = Plan(rounds, replace(PLAN.local, epochs=local_epochs))
        budgets = [Budget(value, delta) for value in epsilon or (2.0, 8.0)]
        with progress() as report:
            shops = shops_of(kept, encoder, data, report)
            found = measure.figures(shops, Frozen.of(kept).heads, budgets, plan, seed, report)
        answer(found, as_json, f"a layer on {kept.version}")
