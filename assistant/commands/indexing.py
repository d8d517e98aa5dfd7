"""`staywell index …`: the retrieval index of a site, built from what the database holds."""

from __future__ import annotations

import csv
import dataclasses
import os
from pathlib import Path
from typing import Annotated

import typer

from assistant.commands.common import (
    DataDir,
    Json,
    SiteKey,
    load_settings,
    now_ms,
    out,
    plain_errors,
    print_json,
    site_id_of,
    storage_of,
)
from assistant.commands.data import show
from assistant.errors import Conflict, NotFound
from assistant.outcomes import judgements as logged
from assistant.retrievers import SiteRetrievers
from assistant.shop import learning
from assistant.shop.catalogue import import_documents
from retrieval import baskets
from retrieval import commands as retrieval_commands
from retrieval.errors import RowFault

index_app = typer.Typer(help="Build, inspect and search the retrieval index of a site.", no_args_is_help=True)


@index_app.command("build")
@plain_errors
def build(
    site: SiteKey = "demo",
    articles: Annotated[
        list[Path] | None,
        typer.Option(help="Files of help articles to bring in first, .csv or .jsonl.", exists=True, dir_okay=False),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Builds the snapshot from the site's scripts, products and articles and lets it serve; a running server takes it by itself."""
    settings = load_settings(data_dir)
    with storage_of(settings) as storage:
        site_id = site_id_of(storage, site)
        reports = {
            path.name: import_documents(storage, path, "article", site_id=site_id, now=now_ms())
            for path in articles or []
        }
        for name, report in reports.items():
            if not json:
                show(name, report, json)
        encoder = retrieval_commands.load_encoder(settings.encoder)
        retrievers = SiteRetrievers(storage, encoder, settings.indices)
        with retrieval_commands.progress_bars() as bars:
            retrievers.refresh(bars)
        version, problem = retrievers.version(site_id), retrievers.degraded.get(f"index:{site_id}")
    if problem is not None and (encoder is not None or version == "none"):
        raise NotFound(problem)
    counts = retrievers.counts(site_id)
    if json:
        imported = {name: report.as_json() for name, report in reports.items()}
        print_json({"site": site, "snapshot": version, "counts": counts, "imported": imported})
        return
    for kind, held in counts.items():
        out.print(f"{kind}: {retrieval_commands.held(held)}", highlight=False)
    out.print(f"{site}: {version}{'' if encoder else ', words only'}", highlight=False)


@index_app.command("recommender")
@plain_errors
def recommender(
    site: SiteKey = "demo",
    transactions: Annotated[
        Path | None,
        typer.Option(help="CSV of order lines, in place of the orders in the database.", exists=True, dir_okay=False),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", help="field=Column,… for customer, order, product, at, quantity, with --transactions."),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Learns what the site's customers buy next and lets it serve; a running server picks it up by itself."""
    settings = load_settings(data_dir)
    faults: list[RowFault] = []
    with storage_of(settings) as storage:
        site_id = site_id_of(storage, site)
        try:
            if transactions is None:
                bought: baskets.Baskets = storage.read_sync(lambda connection: learning.purchases(connection, site_id))
                until = now_ms()
            else:
                bought, faults = baskets.load_orders(transactions, baskets.parse_mapping(mapping or []))
                until = max((lines[-1].at_ms for lines in bought.values()), default=0) + 1
            with retrieval_commands.progress_bars() as bars:
                customers, products = learning.learn(bought, settings.indices / site_id, until, bars)
        except ValueError as error:
            raise Conflict(f"nothing was learned: {error}") from error
    retrieval_commands.report_faults(faults)
    if json:
        print_json({"site": site, "customers": customers, "products": products})
    else:
        out.print(f"{site}: {customers} customers, {products} products", highlight=False)


@index_app.command("info")
@plain_errors
def info(site: SiteKey = "demo", data_dir: DataDir = None, json: Json = False) -> None:
    """Says what the serving snapshot holds and which encoder made it."""
    retrieval_commands.info(index_dir=_folder(site, data_dir), encoder=load_settings(data_dir).encoder, as_json=json)


@index_app.command("search")
@plain_errors
def search(
    text: Annotated[str, typer.Argument(help="What a customer might write.")],
    site: SiteKey = "demo",
    kind: Annotated[str, typer.Option(help="script, product or article")] = "script",
    locale: retrieval_commands.Locale = None,
    band: retrieval_commands.BandName = "elevated",
    reason: retrieval_commands.Reasons = None,
    region: retrieval_commands.Region = None,
    tenure_days: retrieval_commands.Tenure = None,
    value_year: retrieval_commands.ValueYear = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, max=100, help="How many.")] = 5,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Searches the serving snapshot and says why each document came."""
    encoder = load_settings(data_dir).encoder
    retrieval_commands.search(
        text,
        index_dir=_folder(site, data_dir),
        encoder=encoder,
        kind=kind,
        locale=locale,
        band=band,
        reason=reason,
        region=region,
        tenure_days=tenure_days,
        value_year=value_year,
        k=k,
        as_json=json,
    )


@index_app.command("judgements")
@plain_errors
def judgements(
    to: Annotated[Path, typer.Option("--out", help="The file to write: query, docid, rating.", dir_okay=False)],
    site: SiteKey = "demo",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Writes what customers clicked and bought as judgements of product search. The file holds their own words."""
    with storage_of(load_settings(data_dir)) as storage:
        site_id = site_id_of(storage, site)
        found = storage.read_sync(lambda connection: logged.judgements(connection, site_id=site_id))
    if not any(one.rating for one in found):
        raise NotFound("nobody has clicked or bought what was shown yet: there is nothing to learn from")
    with os.fdopen(
        os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline=""
    ) as file:
        os.fchmod(file.fileno(), 0o600)  # also where a file stood that others may read
        writer = csv.writer(file)
        writer.writerow(logged.COLUMNS)
        writer.writerows(dataclasses.astuple(one) for one in found)
    queries, liked = len({one.query for one in found}), sum(one.rating > 0 for one in found)
    if json:
        print_json({"site": site, "queries": queries, "judgements": len(found), "liked": liked})
    else:
        out.print(f"{to}: {queries:,} questions, {len(found):,} judgements, {liked:,} above zero", highlight=False)


def _folder(site: str, data_dir: Path | None) -> Path:
    settings = load_settings(data_dir)
    with storage_of(settings) as storage:
        return settings.indices / site_id_of(storage, site)
