"""`staywell loop`: one whole turn of the loop, for cron or by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from assistant.commands.common import (
    DataDir,
    Json,
    SiteKey,
    err,
    load_settings,
    now_ms,
    out,
    place_of,
    plain_errors,
    print_json,
    site_id_of,
    storage_of,
)
from assistant.commands.models import REFUSED, AsOf, print_checks
from assistant.identity import sites
from assistant.identity.keys import installation_secret
from assistant.loop import filling, once
from assistant.models import adopted
from assistant.shop.rows import milliseconds
from assistant.storage.migrate import current, upgrade
from retrieval.encoders import load as load_encoder
from risk.commands import Workers, progress, refusals
from risk.dataset import files
from risk.world.commands import simulate_app


@plain_errors
def loop(
    site: SiteKey = "demo",
    as_of: AsOf = None,
    horizon: Annotated[int, typer.Option("--horizon", min=30, max=90, help="Label window in days: 30, 60 or 90.")] = 90,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    guess: Annotated[
        bool,
        typer.Option(
            "--guess", help="Let labels be guessed where a window is not over; kept only where that passes the gate."
        ),
    ] = False,
    workers: Workers = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Lets outcomes mature, takes the training set, trains a challenger and puts it before the gate.

    A challenger that passes begins to shadow; one that does not is kept with its verdict, and the exit code is 3.
    """
    settings = load_settings(data_dir)
    now = now_ms()
    moment = now if as_of is None else milliseconds(as_of)
    with refusals(), storage_of(settings) as storage:
        site_id = site_id_of(storage, site)
        work = once.Settings(
            registry=adopted(settings),
            training=settings.data_dir / files.FOLDER,
            cache=settings.data_dir / "cache",
            encoder=load_encoder(settings.encoder),
            horizon_days=horizon,
            seed=seed,
            guess=guess,
        )
        stages = once.Stages()
        with progress() as report:
            with stages.stage("mature"):
                added = once.ripen(storage, site_id, now)
            with stages.stage("take"):
                place = place_of(settings, workers)
                dataset = once.take(storage, site_id, work, as_of=moment, place=place, report=report)
            err.print(f"{added} outcomes have matured; training set {dataset.name}", highlight=False)
            found = once.turn(dataset, work, report, stages)
    _say({"matured": added} | found, json)
    if not found["gate"]["passed"]:
        raise typer.Exit(REFUSED)


@simulate_app.command("log")
@plain_errors
def simulate_log(
    site: Annotated[str, typer.Option("--site", help="Key of the site; made when it is not there.")] = "made-up",
    decisions: Annotated[
        int, typer.Option("--decisions", min=1, max=10_000_000, help="The log holds at least so many afterwards.")
    ] = 10_000,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Fills a site with two years of a made-up shop: conversations, decisions, orders and returns, to try the loop on.

    The site must have no log of its own; database and site are made when they are not there.
    """
    settings = load_settings(data_dir)
    if current(settings.url) is None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        upgrade(settings.url)
    with storage_of(settings) as storage:
        if storage.read_sync(lambda connection: sites.find_site_by_key(connection, site)) is None:
            storage.write_sync(lambda connection: sites.create(connection, key=site, name="Made up", now=now_ms()))
        site_id, secret = site_id_of(storage, site), installation_secret(settings)
        with progress() as report:
            found = filling.fill(
                storage, site_id, decisions=decisions, secret=secret, now=now_ms(), seed=seed, report=report
            )
    if json:
        print_json(asdict(found))
    else:
        out.print(", ".join(f"{count:,} {name}" for name, count in asdict(found).items()), highlight=False)


def _say(found: dict[str, Any], json: bool) -> None:
    if json:
        print_json(found)
        return
    print_checks(found["gate"])
    look = found["look_at"]
    out.print(f"trained on {found['trained_on']} conversations, judged on {found['judged_on']}", highlight=False)
    if found["guesses"] is not None:
        tried = found["guesses"]
        kept = "kept" if tried["kept"] else "not kept"
        out.print(f"{tried['guessed']} labels guessed, of {tried['looked_at']} still open; {kept}", highlight=False)
    odd, chance = look["labels_odd"], look["odd_by_chance"]
    out.print(
        f"{odd:.1%} of the labels are not what the champion expects; {chance:.1%} would be by chance", highlight=False
    )
    if found["shadows"]:
        out.print(f"{found['challenger']} shadows the champion now", highlight=False)
