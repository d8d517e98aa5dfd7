"""What commands share: settings, storage, progress bars, answers for people or as JSON, errors without tracebacks."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from assistant.errors import BadInput, NotFound, StaywellError
from assistant.identity.sites import find_site_by_key
from assistant.settings import Settings
from assistant.storage.engine import Storage
from assistant.storage.guard import open_checked
from risk.scale.shards import Place

P = ParamSpec("P")
R = TypeVar("R")

out = Console(soft_wrap=True)
err = Console(stderr=True, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where database, indices and models live.")]
SiteKey = Annotated[str, typer.Option("--site", help="Key of the site.")]


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


def load_settings(data_dir: Path | None = None, **changes: Any) -> Settings:
    """Settings from the environment, with what the command line says on top."""
    given = {name: value for name, value in changes.items() if value is not None}
    if data_dir is not None:
        given["data_dir"] = data_dir
    return Settings(**given)


def place_of(settings: Settings, workers: int | None = None) -> Place:
    """Where shards of work are worked on: in so many processes where the command line says so, else as the settings do."""
    return Place(settings.processes, settings.ray_address) if workers is None else Place(workers)


def plain_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Expected errors and bad settings become one line on standard error and exit code 1, never a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except StaywellError as error:
            err.print(f"staywell: {error}", style="red", markup=False, highlight=False)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = "STAYWELL_" + "_".join(str(part) for part in first["loc"]).upper()
            err.print(f"staywell: {where}: {first['msg']}", style="red", markup=False, highlight=False)
        raise typer.Exit(1)

    return wrapped


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def json_file(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises BadInput."""
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path.name} is no JSON file: {error}") from error
    if not isinstance(value, dict):
        raise BadInput(f"{path.name} holds no JSON object")
    return value


@contextmanager
def storage_of(settings: Settings) -> Iterator[Storage]:
    """The migrated database, closed afterwards."""
    storage = open_checked(settings.url)
    try:
        yield storage
    finally:
        storage.close()


def site_id_of(storage: Storage, key: str) -> str:
    """The id of a site by its key."""
    site = storage.read_sync(lambda connection: find_site_by_key(connection, key))
    if site is None:
        raise NotFound(f"there is no site with the key '{key}'")
    return site.id


@contextmanager
def progress(label: str, total: int | None, *, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """A bar on standard error; the function given moves it on by so many."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=quiet, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda step: bar.advance(task, step)
