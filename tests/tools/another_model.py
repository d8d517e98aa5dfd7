"""A second version of a registry's champion, to be promoted, shadowed or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from risk import artefact, registry
from risk.bands import Bands


def another(folder: Path, *, elevated: float | None = None, **settings: Any) -> str:
    """The champion's weights once more under the name `shop`, with other settings or another `elevated` band; its version."""
    champion = folder / registry.pointer(folder).champion
    model = artefact.load(champion)
    saved = artefact.save(replace(model, name="shop", settings={**model.settings, **settings}), folder)
    bands = Bands.load(registry.bands_path(champion))
    replace(bands, elevated=bands.elevated if elevated is None else elevated).save(registry.bands_path(saved))
    return saved.name
