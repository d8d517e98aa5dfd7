"""`staywell models …`: who serves, who challenges, and the gate between them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markdown import Markdown
from rich.table import Column, Table

from assistant.commands.common import (
    DataDir,
    Json,
    SiteKey,
    load_settings,
    now_ms,
    out,
    place_of,
    plain_errors,
    print_json,
    site_id_of,
    storage_of,
)
from assistant.errors import BadInput, Conflict
from assistant.loop import gating
from assistant.loop.build import build
from assistant.models import adopted, registry_of
from assistant.settings import Settings
from assistant.shop.rows import milliseconds
from retrieval.encoders import load as load_encoder
from risk import artefact, registry
from risk.commands import progress, refusals
from risk.dataset import files, lineage
from risk.gate import Verdict

models_app = typer.Typer(help="Risk models: champion, challengers, and the gate between them.", no_args_is_help=True)

REFUSED = 3  # exit code of a gate that says no

Version = Annotated[str, typer.Argument(help="A model's name, as `staywell models list` shows it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the journal.")]
By = Annotated[str, typer.Option("--by", help="Who; kept in the journal.")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="The moment whose knowledge counts (ISO 8601). Default: now.")
]


@models_app.command("list")
@plain_errors
def list_models(data_dir: DataDir = None, json: Json = False) -> None:
    """The models of the registry, who serves, and the journal's last moves."""
    folder = registry_of(load_settings(data_dir))
    with refusals():
        names = registry.pointer(folder)
        rows = [_line(folder, version, names) for version in registry.versions(folder)]
    moves = registry.journal(folder)[-10:]
    shipped = {"version": registry.shipped(), "here": registry.shipped() in registry.versions(folder)}
    if json:
        print_json({"registry": str(folder), "models": rows, "journal": moves, "shipped": shipped})
        return
    name = Column("model", min_width=max((len(row["version"]) for row in rows), default=0))  # to be copied: never cut
    table = Table(name, "serves as", "gate", "AUC of history", "ε", "encoder", title=str(folder))
    for row in rows:
        auc = row["history_auc"]
        spent = sum(one["epsilon"] for one in row["privacy"])
        table.add_row(
            row["version"],
            row["role"],
            row["gate"],
            "–" if auc is None else f"{auc:.3f}",
            f"{spent:.2f}" if row["privacy"] else "–",
            row["encoder"],
        )
    out.print(table)
    for move in moves:
        out.print(move["at"], move["what"], move["version"], move["reason"], move["by"], highlight=False, markup=False)
    if not shipped["here"]:
        out.print(f"this version ships {shipped['version']}: staywell models take", style="yellow", highlight=False)


def _line(folder: Path, version: str, names: registry.Pointer) -> dict[str, Any]:
    model = artefact.load(folder / version)
    roles = {names.before: "before", names.champion: "champion"}
    if names.challenger is not None:
        roles[names.challenger] = f"canary, {names.share:.0%}" if names.share else "shadow"
    verdict = gating.verdict_of(folder, version)
    figure = model.metrics.get("history", {}).get("auc")
    return {
        "version": version,
        "role": roles.get(version, ""),
        "gate": ""
        if verdict is None
        else f"{'passed' if verdict['passed'] else 'refused'} against {verdict['champion']}",
        "history_auc": figure if isinstance(figure, float) else None,
        "privacy": gating.promises(model),
        "encoder": model.encoder_name,
    }


@models_app.command("take")
@plain_errors
def take(data_dir: DataDir = None, json: Json = False) -> None:
    """Copies the model that this version of the product ships into the registry, for the gate. It serves nobody by that."""
    folder = adopted(load_settings(data_dir))
    with refusals():
        here = registry.shipped() in registry.versions(folder)
        version = registry.shipped() if here else registry.take_shipped(folder)
        champion = registry.pointer(folder).champion
    if json:
        print_json({"version": version, "taken": not here})
        return
    out.print(f"{version} {'was here already' if here else 'is in the registry now'}", highlight=False)
    if champion != version:
        out.print(f"next: staywell models gate {version} --site SITE", highlight=False)


@models_app.command("prune")
@plain_errors
def prune(
    keep: Annotated[int, typer.Option("--keep", min=0, help="How many of them stay, the newest.")] = gating.KEPT,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Removes models that went before the gate and never served, but the newest. The journal stays."""
    folder = adopted(load_settings(data_dir))
    with refusals():
        gone = gating.prune(folder, keep=keep)
    if json:
        print_json({"removed": gone})
    else:
        out.print(f"removed: {', '.join(gone) or 'none'}", highlight=False)


@models_app.command("show")
@plain_errors
def show(version: Version, data_dir: DataDir = None, json: Json = False) -> None:
    """A model's card, figures, and the gate's verdict."""
    settings = load_settings(data_dir)
    folder = registry_of(settings)
    with refusals():
        model = artefact.load(folder / version)
    verdict = gating.verdict_of(folder, version)
    learnt_from = [lineage.since(settings.data_dir / files.FOLDER, name) for name in gating.training_sets(model)]
    if json:
        shown = [one.as_json() for one in learnt_from]
        print_json(
            {"version": version, "metrics": model.metrics, "data": model.data, "gate": verdict, "lineage": shown}
        )
        return
    out.print(Markdown(model.card))
    for one in learnt_from:
        if one.now != one.name:
            left = f"what is left is {one.now}" if one.now else "nothing is left of it"
            out.print(
                f"{one.rows} rows of erased conversations were taken out of {one.name} since; {left}. "
                "The model has seen them; the next turn of the loop trains one that has not.",
                style="yellow",
                highlight=False,
            )
    if verdict is not None:
        print_checks(verdict)


@models_app.command("gate")
@plain_errors
def gate(
    version: Version,
    site: SiteKey = "demo",
    data: Annotated[
        Path | None, typer.Option("--data", help="A training set's folder. Default: built now from the database.")
    ] = None,
    as_of: AsOf = None,
    horizon: Annotated[int, typer.Option("--horizon", min=30, max=90, help="Label window in days: 30, 60 or 90.")] = 90,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Puts a challenger before the gate: every check must pass. Exit code 3 when it is refused."""
    settings = load_settings(data_dir)
    folder = adopted(settings)
    with refusals():
        dataset = files.read(data if data is not None else _built(settings, site, as_of, horizon))
        encoder = load_encoder(settings.encoder)
        with progress() as report:
            verdict = gating.judge(dataset, folder, version, encoder, cache=settings.data_dir / "cache", report=report)
    _say(verdict, json)
    if not verdict.passed:
        raise typer.Exit(REFUSED)


def _built(settings: Settings, site: str, as_of: str | None, horizon: int) -> Path:
    moment = now_ms() if as_of is None else milliseconds(as_of)
    with storage_of(settings) as storage:
        site_id = site_id_of(storage, site)
        parent = settings.data_dir / files.FOLDER
        return build(storage, parent, site_id=site_id, as_of=moment, horizon_days=horizon, place=place_of(settings))


def _say(verdict: Verdict, json: bool) -> None:
    if json:
        print_json(verdict.as_json())
    else:
        print_checks(verdict.as_json())


def print_checks(verdict: dict[str, Any]) -> None:
    """The checks of a verdict as a table."""
    title = f"{verdict['challenger']} against {verdict['champion']}: {'passed' if verdict['passed'] else 'refused'}"
    table = Table("check", "", "measured", "95 % interval", "limit", "of what", title=title)
    for check in verdict["checks"]:
        figure = check["figure"] or {"value": None, "low": None, "high": None}
        shown = ["–" if figure[part] is None else f"{figure[part]:.4f}" for part in ("value", "low", "high")]
        limit = "" if check["limit"] is None else f"{check['limit']:g}"
        mark = "[green]✓[/]" if check["passed"] else "[red]✗[/]"
        table.add_row(check["name"], mark, shown[0], f"{shown[1]} to {shown[2]}", limit, check["detail"])
    out.print(table)


@models_app.command("shadow")
@plain_errors
def shadow(
    version: Annotated[str | None, typer.Argument(help="A model's name.")] = None,
    share: Annotated[
        float, typer.Option("--share", min=0, max=1, help="Of customers whom it serves; 0: it only looks on.")
    ] = 0.0,
    off: Annotated[bool, typer.Option("--off", help="Withdraw the challenger.")] = False,
    reason: Reason = "",
    by: By = "",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Lets a challenger score every turn beside the champion; with --share it decides for that share of customers."""
    if off == (version is not None):
        raise BadInput("give a model's name, or --off")
    folder = adopted(load_settings(data_dir))
    with refusals():
        if share and not gating.may_serve(folder, version or ""):
            raise Conflict("a canary serves customers: it must have passed the gate against this champion")
        names = registry.challenge(folder, None if off else version, share=share, reason=reason, by=by)
    _say_pointer(names, json)


@models_app.command("promote")
@plain_errors
def promote(
    version: Version,
    reason: Reason,
    by: By = "",
    force: Annotated[bool, typer.Option("--force", help="Although the gate has not let it through.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Lets a model that passed the gate be the champion; a running server follows within seconds."""
    folder = adopted(load_settings(data_dir))
    with refusals():
        if not force and not gating.may_serve(folder, version):
            raise Conflict(
                f"{version} has not passed the gate against this champion: `staywell models gate`, or --force"
            )
        names = registry.promote(folder, version, reason=f"forced: {reason}" if force else reason, by=by)
    _say_pointer(names, json)


@models_app.command("rollback")
@plain_errors
def roll_back(reason: Reason, by: By = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Lets the champion before this one serve again."""
    folder = adopted(load_settings(data_dir))
    with refusals():
        names = registry.roll_back(folder, reason=reason, by=by)
    _say_pointer(names, json)


def _say_pointer(names: registry.Pointer, json: bool) -> None:
    found = {name: getattr(names, name) for name in ("champion", "challenger", "share", "before")}
    if json:
        print_json(found)
        return
    out.print(f"champion: {names.champion}", highlight=False)
    if names.challenger is not None:
        out.print(f"challenger: {names.challenger}, serving {names.share:.0%} of customers", highlight=False)
