"""`staywell score customers`: the whole base at one moment, as a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

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
from assistant.errors import BadInput
from assistant.loop import everybody
from assistant.loop.everybody import Census
from assistant.models import registry_of
from assistant.outcomes.export import cell, csv_line
from assistant.shop.rows import milliseconds
from risk import registry
from risk.commands import Workers, progress, refusals

score_app = typer.Typer(help="Scores of many at once.", no_args_is_help=True)

FORMS = (".csv", ".jsonl")


@score_app.callback()
def score() -> None:
    """Keeps `customers` a command of its own, however few there are."""


@score_app.command("customers")
@plain_errors
def score_customers(
    to: Annotated[Path, typer.Option("--out", help="The file to write: NAME.csv or NAME.jsonl.")],
    site: SiteKey = "demo",
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The moment whose knowledge counts (ISO 8601). Default: now.")
    ] = None,
    workers: Workers = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Scores every customer whom the shop knows: churn with its interval, band, reasons and drivers, as of a moment."""
    settings = load_settings(data_dir)
    if to.suffix not in FORMS:
        raise BadInput(f"the file's name must end in {' or '.join(FORMS)}")
    moment = now_ms() if as_of is None else milliseconds(as_of)
    with refusals(), storage_of(settings) as storage:
        site_id = site_id_of(storage, site)
        folder = registry.champion_folder(registry_of(settings))
        census = Census(settings.url, site_id, moment, folder.resolve(), settings.encoder)
        shards = storage.read_sync(lambda connection: everybody.customers(connection, site_id, moment))
        with progress() as report:
            found = everybody.score(
                place_of(settings, workers), census, shards, lambda done, total: report("score", done, total)
            )
    rows = [everybody.row(standing, moment) for standing in found]
    _write(to, rows)
    bands = {band: sum(row["band"] == band for row in rows) for band in ("low", "elevated", "high")}
    if json:
        print_json({"customers": len(rows), "bands": bands, "as_of": moment, "model": folder.name, "file": str(to)})
        return
    shares = ", ".join(f"{count} {band}" for band, count in bands.items())
    out.print(f"{len(rows)} customers scored by {folder.name}: {shares}; written to {to}", highlight=False)


def _write(to: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Aside, then renamed: whoever waits for the file never sees half of it."""
    to.parent.mkdir(parents=True, exist_ok=True)
    aside = to.with_name(f".{to.name}.part")
    with aside.open("wb") as file:
        file.writelines(_csv(rows) if to.suffix == ".csv" else _jsonl(rows))
    aside.replace(to)


def _jsonl(rows: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    for row in rows:
        yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _csv(rows: Sequence[dict[str, Any]]) -> Iterator[bytes]:
    columns = (
        "customer",
        "churn",
        "low",
        "high",
        "band",
        "cold_start",
        "conversation",
        "reasons",
        "drivers",
        "as_of",
        "model",
    )
    yield csv_line(list(columns))
    for row in rows:
        drivers = "; ".join(f"{driver['code']} {driver['effect']:+.3f}" for driver in row["drivers"])
        shown = row | {"reasons": "; ".join(row["reasons"]), "drivers": drivers}
        yield csv_line([cell(shown[name]) for name in columns])
