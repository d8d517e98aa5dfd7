"""What a shop sets in a file: when people are there, and when the chat speaks first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.commands.common import (
    DataDir,
    json_file,
    load_settings,
    now_ms,
    out,
    plain_errors,
    site_id_of,
    storage_of,
)
from assistant.errors import BadInput
from assistant.escalation.hours import Hours
from assistant.identity import sites
from assistant.policy.nudges import Nudging

Key = Annotated[str, typer.Argument(help="Key of the site.")]
File = Annotated[Path | None, typer.Argument(help="JSON file.", exists=True, dir_okay=False)]


@plain_errors
def set_hours(
    key: Key,
    file: File = None,
    timezone: Annotated[str | None, typer.Option(help="Time zone of the shop, as Europe/Berlin.")] = None,
    always: Annotated[bool, typer.Option("--always", help="Somebody is always there.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Sets when people are there (docs/escalation.md). Outside these hours a customer is told, and offered a call-back."""
    if always == (file is not None):
        raise typer.BadParameter("give a file, or --always")
    given = None if file is None else json_file(file)
    # Hours alone, or as they stand in the settings, the time zone beside them.
    changes: dict[str, Any] = dict(given) if given is not None and "hours" in given else {"hours": given}
    if timezone is not None:
        changes["timezone"] = timezone
    unknown = sorted(changes.keys() - {"hours", "timezone"})
    if unknown:
        raise BadInput(f"unknown: {', '.join(unknown)}; known: hours, timezone")
    _check(lambda: Hours.from_settings(changes))
    _change(data_dir, key, changes)
    out.print(f"{key}: {'somebody is always there' if always else 'hours set'}", highlight=False)


@plain_errors
def set_proactive(
    key: Key,
    file: File = None,
    off: Annotated[bool, typer.Option("--off", help="No rules any more.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Sets when the chat speaks first, by page, time and risk (docs/embed.md); for pages whose tag says proactive="site"."""
    if off == (file is not None):
        raise typer.BadParameter("give a file, or --off")
    rules = None if file is None else json_file(file)
    if rules is not None:
        _check(lambda: Nudging.from_settings(rules))
    _change(data_dir, key, {"proactive": rules})
    out.print(f"{key}: {'off' if off else 'rules set'}", highlight=False)


def _check(read: Callable[[], object]) -> None:
    try:
        read()
    except ValueError as error:
        raise BadInput(str(error)) from None


def _change(data_dir: Path | None, key: str, changes: dict[str, Any]) -> None:
    with storage_of(load_settings(data_dir)) as storage:
        site_id = site_id_of(storage, key)
        storage.write_sync(lambda connection: sites.change_settings(connection, site_id, changes, now=now_ms()))
