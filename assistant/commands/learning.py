"""A site's log for the training commands of `risk`, which know no database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from assistant.commands.common import load_settings, now_ms, site_id_of, storage_of
from assistant.errors import StaywellError
from assistant.loop.material import Material, material
from risk.dataset import files
from risk.errors import DataRefused


@contextmanager
def log_of_site(site: str, data_dir: Path | None) -> Iterator[Material]:
    """The log of the site with this key, as of now. Raises `DataRefused` where there is none."""
    try:
        settings = load_settings(data_dir)
        with (
            storage_of(settings) as storage,
            material(site, storage, site_id_of(storage, site), now_ms(), settings.data_dir / files.FOLDER) as log,
        ):
            yield log
    except (StaywellError, ValidationError) as error:
        raise DataRefused(f"the log of {site} cannot be read: {error}") from error
