"""`staywell export` and `staywell doctor`: the log as files, and whether everything is as it should be."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from sqlalchemy import Connection

from assistant.app import Services, build_services
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
    site_id_of,
    storage_of,
)
from assistant.commands.privacy import privacy_of
from assistant.conversations import transcripts
from assistant.erasure.ledger import Ledger
from assistant.errors import StaywellError
from assistant.identity import audit
from assistant.identity.keys import installation_secret
from assistant.loop.skew import measure
from assistant.models import registry_of
from assistant.outcomes.check import check
from assistant.outcomes.export import Form, What, export
from assistant.settings import Settings
from assistant.shop.rows import milliseconds
from assistant.storage.migrate import current, head
from assistant.turns.ports import Unavailable
from risk import registry

SHOWN = 20  # findings that are printed


@plain_errors
def export_log(
    what: Annotated[
        str, typer.Argument(help="decisions, outcomes, both (decisions with their outcomes), or conversations")
    ] = "both",
    to: Annotated[Path | None, typer.Option("--out", help="A file; by default standard output.")] = None,
    form: Annotated[str, typer.Option("--format", help="jsonl or csv")] = "jsonl",
    site: SiteKey = "demo",
    since: Annotated[str | None, typer.Option(help="From this time on (ISO 8601, inclusive).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time (ISO 8601, exclusive).")] = None,
    contact: Annotated[
        str | None,
        typer.Option(help="All that is kept of one person, as JSON: customer number, e-mail address, or id."),
    ] = None,
    unredacted: Annotated[
        bool,
        typer.Option(
            "--unredacted", help="Conversations as they were written, with addresses and numbers of persons in them."
        ),
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Writes the decision and outcome log, or conversations for training and labelling, in which customers appear as keyed hashes
    only; or all that is kept of one person."""
    known_what: dict[str, What] = {"decisions": "decisions", "outcomes": "outcomes", "both": "both"}
    known_forms: dict[str, Form] = {"jsonl": "jsonl", "csv": "csv"}
    if what not in (*known_what, "conversations") or form not in known_forms:
        raise typer.BadParameter("expected decisions, outcomes or both, as jsonl or csv, or conversations as jsonl")
    if what == "conversations" and form != "jsonl":
        raise typer.BadParameter("conversations are written as jsonl")
    if unredacted and what != "conversations":
        raise typer.BadParameter("only conversations can be unredacted: the log holds nobody's words")
    settings = load_settings(data_dir)
    with storage_of(settings) as storage:
        site_id = site_id_of(storage, site)
        if contact is not None:
            document = asyncio.run(privacy_of(storage, settings).dossier(site_id, contact, actor="system"))
            content = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
            if to is None:
                sys.stdout.buffer.write(content)
            else:
                to.write_bytes(content)
            return

        period: dict[str, Any] = {"site_id": site_id, "since": _time(since), "until": _time(until)}

        def write(connection: Connection) -> int:
            if what == "conversations":
                lines = transcripts.export(connection, redacted=not unredacted, **period)
            else:
                lines = export(connection, what=known_what[what], form=known_forms[form], **period)
            count = 0
            if to is None:
                for line in lines:
                    sys.stdout.buffer.write(line)
                    count += 1
                return count
            aside = to.with_name(f".{to.name}.writing")
            with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                for line in lines:
                    file.write(line)
                    count += 1
            aside.replace(to)
            return count

        rows = storage.read_sync(write) - (form == "csv")
        noted = {"what": what, "site": site, "rows": rows} | ({"unredacted": True} if unredacted else {})
        storage.write_sync(
            lambda connection: audit.record(connection, actor="system", action="export", data=noted, now=now_ms())
        )
    err.print(f"{rows:,} rows", highlight=False)


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return milliseconds(text)
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' is not a time") from error


@plain_errors
def doctor(data_dir: DataDir = None, json: Json = False) -> None:
    """Checks settings, database, models, indices, the log's invariants and the audit chain; exit code 1 if one is wrong."""
    settings = load_settings(data_dir)
    findings = list(_look(settings))
    wrong = [finding for finding in findings if finding["state"] == "wrong"]
    if json:
        print_json({"healthy": not wrong, "findings": findings})
    else:
        marks = {"good": "[green]✓[/]", "degraded": "[yellow]![/]", "wrong": "[red]✗[/]"}
        for finding in findings:
            out.print(marks[finding["state"]], f"{finding['part']:<10}", finding["detail"], highlight=False)
    if wrong:
        raise typer.Exit(1)


def _skew(services: Services) -> Iterator[dict[str, str]]:
    """Whether the newest turns can be had again as they were served."""
    encoder = services.inference.encoder
    if isinstance(encoder, Unavailable):
        return
    found = services.storage.read_sync(lambda connection: measure(connection, encoder))
    detail = f"{found.vectors} vectors again, cosine from {found.worst_cosine:.4f}; {found.decisions} feature rows"
    if found.differing:
        detail += ", otherwise in " + ", ".join(f"{name} of {which}" for which, name in found.differing[:3])
    yield {"part": "served", "state": "good" if found.sound else "wrong", "detail": detail}


def _shipped(settings: Settings) -> Iterator[dict[str, str]]:
    """Whether the product brings a model that the installation's own registry has not seen: it does not follow by itself."""
    folder = registry_of(settings)
    if (folder / registry.POINTER).is_file() and registry.shipped() not in registry.versions(folder):
        detail = f"this version ships {registry.shipped()}: `staywell models take`, then `staywell models gate`"
        yield {"part": "model", "state": "degraded", "detail": detail}


def _look(settings: Settings) -> Any:
    def finding(part: str, state: str, detail: str) -> dict[str, str]:
        return {"part": part, "state": state, "detail": detail}

    yield finding("settings", "good", f"data in {settings.data_dir}, pages at {', '.join(sorted(settings.origins))}")
    found = current(settings.url)
    if found != head():
        yield finding("database", "wrong", f"schema {found or 'missing'}, needed {head()}: run `staywell migrate`")
        return
    try:
        services = build_services(settings)
    except StaywellError as error:
        yield finding("database", "wrong", str(error))
        return
    try:
        yield finding("database", "good", f"whole, schema {found}")
        degraded = services.degraded
        for part, good in (("encoder", services.inference.fingerprint[:12]), ("model", services.inference.model)):
            yield finding(part, "degraded" if part in degraded else "good", degraded.get(part, good))
        yield from _shipped(settings)
        indices = {part: why for part, why in degraded.items() if part.startswith("index")}
        for part, why in indices.items():
            yield finding("index", "degraded", f"{part.partition(':')[2]}: {why}")
        if not indices:
            yield finding("index", "good", "every site has a current snapshot")
        yield from _skew(services)
        secret = installation_secret(settings)
        faults = services.storage.read_sync(lambda connection: list(islice(check(connection, secret=secret), 1000)))
        for fault in faults[:SHOWN]:
            yield finding("log", "wrong", f"{fault.table} {fault.id}: {fault.code} {fault.detail}".strip())
        if len(faults) > SHOWN:
            yield finding("log", "wrong", f"and {len(faults) - SHOWN} more")
        if not faults:
            yield finding("log", "good", "every invariant holds")
        back = services.storage.read_sync(Ledger(settings.data_dir).back)
        erased = f"{len(back)} people who were erased are back: run `staywell erase --again`"
        yield finding("erasures", "wrong" if back else "good", erased if back else "nobody who was erased is back")
        broken = services.storage.read_sync(audit.verify)
        chain = "the chain is whole" if broken is None else f"the chain is broken at row {broken}"
        yield finding("audit", "good" if broken is None else "wrong", chain)
    finally:
        services.close()
