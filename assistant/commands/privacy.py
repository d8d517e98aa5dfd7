"""`staywell erase`: people, and conversations that are old, taken out of the data."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.bus.hints import LocalBus
from assistant.commands.common import (
    DataDir,
    Json,
    SiteKey,
    load_settings,
    now_ms,
    out,
    plain_errors,
    print_json,
    progress,
    site_id_of,
    storage_of,
)
from assistant.erasure.erase import DAY_MS, erase_older, find_older
from assistant.erasure.learnt import erase_learnt
from assistant.erasure.ledger import Ledger
from assistant.erasure.pages import forget_pages
from assistant.erasure.service import Privacy
from assistant.settings import Settings
from assistant.storage.engine import Storage

BATCH = 100  # conversations in one transaction


@plain_errors
def erase(
    contact: Annotated[
        str | None, typer.Option(help="Who: the shop's customer number, an e-mail address, or an id.")
    ] = None,
    older_than: Annotated[
        int | None, typer.Option(min=1, help="What was said in conversations untouched for so many days.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Everybody who was erased before and came back with a backup.")
    ] = False,
    site: SiteKey = "demo",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Takes a person, or what is old, out of the data, for good. What the log keeps names nobody."""
    if (contact is not None) + (older_than is not None) + again != 1:
        raise typer.BadParameter("one of --contact, --older-than and --again")
    settings = load_settings(data_dir)
    with storage_of(settings) as storage:
        if contact is not None:
            site_id = site_id_of(storage, site)
            _sure(f"Erase {contact} of {site}? This cannot be undone.", yes)
            shown = asyncio.run(privacy_of(storage, settings).erase(site_id, contact, actor="system")).counts()
        elif older_than is not None:
            site_id = site_id_of(storage, site)
            _sure(f"Erase what was said at {site} more than {older_than} days ago? This cannot be undone.", yes)
            before = now_ms() - older_than * DAY_MS
            shown = _old(storage, site_id, settings.data_dir, before=before, quiet=json)
        else:
            shown = asyncio.run(_again(storage, settings))
    if json:
        print_json(shown)
        return
    out.print(", ".join(f"{value:,} {name}" for name, value in shown.items()), highlight=False)


def privacy_of(storage: Storage, settings: Settings) -> Privacy:
    """With a bus of its own: servers that run notice by the count of what was taken back."""
    return Privacy(storage, LocalBus(), now_ms, settings.data_dir)


def _sure(question: str, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True)


def _old(storage: Storage, site_id: str, data_dir: Path, *, before: int, quiet: bool) -> dict[str, int]:
    total = {"conversations": 0, "messages": 0, "notes": 0}
    due = storage.read_sync(lambda connection: find_older(connection, site_id=site_id, before=before))
    # Before the database: while it still finds them, doing it again finishes what a crash left.
    erase_learnt(data_dir, due, now=now_ms())
    with progress("Erasing", len(due), quiet=quiet) as step:
        for start in range(0, len(due), BATCH):
            among = due[start : start + BATCH]
            part = storage.write_sync(partial(erase_older, among=among, site_id=site_id, before=before, now=now_ms()))
            counts = part.counts()
            total = {name: value + counts[name] for name, value in total.items()}
            step(len(among))
    erase_learnt(data_dir, due, now=now_ms())
    forget_pages(storage.url)
    return total


async def _again(storage: Storage, settings: Settings) -> dict[str, Any]:
    back = await storage.read(Ledger(settings.data_dir).back)
    privacy = privacy_of(storage, settings)
    for site_id, contact_id in back:
        await privacy.erase(site_id, contact_id, actor="system")
    return {"contacts": len(back)}
