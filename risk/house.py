"""What the commands of `risk`, which know neither settings nor a database, are given by the command line that mounts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import typer

from risk.errors import DataRefused
from risk.scale.shards import HERE, Place
from risk.types import History


class Log(Protocol):
    """The log of one shop, to learn from. People who were erased are not in it; customers are keyed hashes, words are redacted."""

    @property
    def name(self) -> str:
        """The site's key, as the model card names it."""

    def conversations(self) -> Path:
        """JSONL as `risk.conversation.data` reads it; the file is gone with the log."""

    def histories(self) -> Mapping[str, History]:
        """Customer → orders, returns, contacts and visits, each with the time at which it became known."""

    def training_set(self, horizon_days: int) -> Path:
        """A folder as `risk.dataset.files` reads it, of conversations whose label window is over; it stays."""


@dataclass(frozen=True, slots=True)
class House:
    """`place`: where work is done; `log`: a site's log by the site's key and the data directory, None for that of the settings."""

    place: Callable[[], Place]
    log: Callable[[str, Path | None], AbstractContextManager[Log]]


def place(context: typer.Context, workers: int | None = None) -> Place:
    """Where work is done: as the settings say, or in so many processes."""
    house = context.obj
    set_place = house.place() if isinstance(house, House) else HERE
    return set_place if workers is None else Place(workers)


def log_of(context: typer.Context, site: str, data_dir: Path | None) -> AbstractContextManager[Log]:
    """The log of a site. Raises `DataRefused` where there is no database to ask."""
    house = context.obj
    if not isinstance(house, House):
        raise DataRefused("a site's log is only there for `staywell` itself: give files")
    return house.log(site, data_dir)
