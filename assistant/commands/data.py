"""`staywell import …`: a shop's records, catalogue, playbook and help from files into the database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from assistant.commands.common import (
    DataDir,
    Json,
    SiteKey,
    err,
    load_settings,
    now_ms,
    out,
    plain_errors,
    print_json,
    progress,
    site_id_of,
    storage_of,
)
from assistant.identity.keys import installation_secret
from assistant.shop.catalogue import import_documents
from assistant.shop.importers import Progress, Records, import_records, import_transactions
from assistant.shop.records import Target
from assistant.shop.rows import Report, parse_map
from assistant.storage.engine import Storage
from retrieval.documents import Kind

import_app = typer.Typer(
    help="Bring a shop's records in. A bad row is reported with its line and reason; the rest goes in."
)

File = Annotated[Path, typer.Argument(help=".csv or .jsonl, maybe with .gz", show_default=False)]
Map = Annotated[str, typer.Option("--map", help="Column names, e.g. customer=CustomerID,order=InvoiceNo")]
SHOWN = 20  # bad rows that are printed for people; --json has all


@import_app.command("contacts")
@plain_errors
def contacts(file: File, site: SiteKey = "demo", map_: Map = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Customers: external_id, name, email, locale, region, since."""
    _import_records("contacts", file, site, map_, data_dir, json)


@import_app.command("orders")
@plain_errors
def orders(file: File, site: SiteKey = "demo", map_: Map = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Orders: order, customer, date, total, currency, status, coupon, promised, delivered, lines."""
    _import_records("orders", file, site, map_, data_dir, json)


@import_app.command("returns")
@plain_errors
def returns(file: File, site: SiteKey = "demo", map_: Map = "", data_dir: DataDir = None, json: Json = False) -> None:
    """Returns: return_no, order, customer, date, amount, currency, product_id, reason."""
    _import_records("returns", file, site, map_, data_dir, json)


@import_app.command("transactions")
@plain_errors
def transactions(
    file: File,
    site: SiteKey = "demo",
    map_: Map = "",
    currency: Annotated[str, typer.Option(help="Currency of the prices.")] = "EUR",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Lines of a till roll: order, customer, date, product, quantity, price, description; gathered into orders and returns."""

    def run(storage: Storage, target: Target, step: Progress) -> Report:
        mapping = parse_map(map_)
        return import_transactions(storage, file, target, currency=currency, mapping=mapping, progress=step)

    _import("transactions", run, site, data_dir, json)


@import_app.command("products")
@plain_errors
def products(file: File, site: SiteKey = "demo", data_dir: DataDir = None, json: Json = False) -> None:
    """Products: id, locale, title, description, category, price, stock …, or an export of Shopify or WooCommerce."""
    _import_documents("product", file, site, data_dir, json)


@import_app.command("scripts")
@plain_errors
def scripts(file: File, site: SiteKey = "demo", data_dir: DataDir = None, json: Json = False) -> None:
    """Scripts of the playbook, one family a line (docs/playbook.md)."""
    _import_documents("script", file, site, data_dir, json)


@import_app.command("articles")
@plain_errors
def articles(file: File, site: SiteKey = "demo", data_dir: DataDir = None, json: Json = False) -> None:
    """Help articles: id, locale, title, body, url, tags, updated."""
    _import_documents("article", file, site, data_dir, json)


def _import_records(kind: Records, file: Path, site: str, map_: str, data_dir: Path | None, json: bool) -> None:
    def run(storage: Storage, target: Target, step: Progress) -> Report:
        return import_records(storage, file, kind, target, mapping=parse_map(map_), progress=step)

    _import(kind, run, site, data_dir, json)


def _import_documents(kind: Kind, file: Path, site: str, data_dir: Path | None, json: bool) -> None:
    def run(storage: Storage, target: Target, step: Progress) -> Report:
        return import_documents(storage, file, kind, site_id=target.site_id, now=target.now, progress=step)

    _import(f"{kind}s", run, site, data_dir, json)


def _import(
    label: str, run: Callable[[Storage, Target, Progress], Report], site: str, data_dir: Path | None, json: bool
) -> None:
    settings = load_settings(data_dir)
    with storage_of(settings) as storage, progress(label, None, quiet=json) as step:
        report = run(storage, Target(site_id_of(storage, site), installation_secret(settings), now_ms()), step)
    show(label, report, json)


def show(label: str, report: Report, json: bool) -> None:
    """Prints what came of an import; exit code 2 when rows were refused and none went in."""
    if json:
        print_json(report.as_json())
    else:
        out.print(
            f"{label}: {report.read:,} read, {report.stored:,} stored, {report.unchanged:,} already known",
            highlight=False,
        )
        for row in report.bad[:SHOWN]:
            err.print(f"  line {row.line}: {row}", markup=False, highlight=False)
        if len(report.bad) > SHOWN:
            err.print(f"  … and {len(report.bad) - SHOWN:,} more rows were refused (see --json)", highlight=False)
    if report.bad and not report.stored and not report.unchanged:
        raise typer.Exit(2)
