"""`staywell`: one command for everything. Run `staywell --help`."""

from __future__ import annotations

import typer

from assistant.commands import (
    admin,
    data,
    examining,
    indexing,
    learning,
    log,
    loop,
    models,
    privacy,
    replaying,
    scoring,
    serving,
)
from assistant.commands.common import load_settings, place_of
from retrieval import bench, bench_encoders, evaluate_commands
from risk import bench as risk_bench
from risk.commands import train_app
from risk.evaluate_commands import evaluate_app
from risk.fusion import commands as fusion
from risk.house import House
from risk.tuning import commands as tuning
from risk.uplift import commands as effects
from risk.world.commands import simulate_app

bench_app = typer.Typer(help="Measure speed and size.", no_args_is_help=True)
bench_app.command()(bench.search)
bench_app.command()(bench_encoders.encoder)
bench_app.command()(risk_bench.score)
evaluate_app.command()(evaluate_commands.retrieval)
evaluate_app.command()(evaluate_commands.scripts)
evaluate_app.command()(evaluate_commands.recommend)
evaluate_app.command("uplift")(effects.evaluate_uplift)
evaluate_app.command("policy")(effects.evaluate_policy)
evaluate_app.command("fairness")(effects.evaluate_fairness)
train_app.command("uplift")(effects.train_uplift)
train_app.command("fusion")(fusion.train_fusion)
evaluate_app.command("fusion")(fusion.evaluate_fusion)
train_app.command("private")(tuning.train_private)
train_app.command("federated")(tuning.train_federated)
evaluate_app.command("tuning")(tuning.evaluate_tuning)

app = typer.Typer(
    name="staywell",
    help="A customer-service chat plug-in for shops that knows who is about to leave.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def staywell(context: typer.Context) -> None:
    """A customer-service chat plug-in for shops that knows who is about to leave."""
    context.obj = House(lambda: place_of(load_settings()), learning.log_of_site)


app.command()(serving.demo)
app.command()(serving.serve)
app.command()(serving.migrate)
app.command()(replaying.replay)
app.command("export")(log.export_log)
app.add_typer(simulate_app, name="simulate")
app.command()(log.doctor)
app.command()(loop.loop)
app.command()(privacy.erase)
app.add_typer(data.import_app, name="import")
app.add_typer(indexing.index_app, name="index")
app.add_typer(train_app, name="train")
evaluate_app.command("answers")(examining.answers)
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(bench_app, name="bench")
app.add_typer(models.models_app, name="models")
app.add_typer(scoring.score_app, name="score")
app.add_typer(admin.site_app, name="site")
app.add_typer(admin.agent_app, name="agent")

if __name__ == "__main__":
    app()
