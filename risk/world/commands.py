"""`staywell simulate`: the loop's rounds, and a whole made-up shop as files, as one typer app for the command line to mount."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from risk.commands import AsJson, Seed, answer, progress, refusals
from risk.uplift.commands import Customers, Rounds, simulate
from risk.world import shop as made_up

simulate_app = typer.Typer(help="Worlds whose truth is known.")


@simulate_app.callback(invoke_without_command=True)
def simulate_alone(
    context: typer.Context, rounds: Rounds = 5, customers: Customers = 3000, seed: Seed = 0, as_json: AsJson = False
) -> None:
    """Worlds whose truth is known. Without a further word: the rounds of the loop."""
    if context.invoked_subcommand is None:
        simulate(rounds, customers, seed, as_json)


simulate_app.command("rounds")(simulate)


@simulate_app.command("shop")
def simulate_shop(
    out: Annotated[Path, typer.Option("--out", help="Folder for the files of both parts.")],
    customers: Annotated[int, typer.Option("--customers", min=40, max=200_000, help="Of both parts together.")] = 8000,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """A shop as files: conversations, purchases, outcomes with their true probabilities; a train part, and a test part with
    other customers and other templates."""
    with refusals():
        with progress() as report:
            shops = made_up.draw(customers, seed, report)
        paths = made_up.write(shops, out)
        ceilings = {part: made_up.ceiling(one, seed) for part, one in shops.items()}
    answer(
        {"files": [path.name for path in paths], "ceiling": ceilings},
        as_json,
        "A made-up shop; the best that anybody can score",
    )
