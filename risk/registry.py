"""Which model serves: a folder of artefacts, a pointer that names the champion, bands beside each model."""

from __future__ import annotations

import json
from pathlib import Path

from risk import artefact
from risk.bands import Bands
from risk.errors import ArtefactRefused
from risk.scorer import ChampionScorer

SHIPPED = Path(__file__).parent / "artefacts"
POINTER = "champion.json"


def champion_folder(registry: Path) -> Path:
    """The artefact folder that the pointer of a registry names; a path that is itself an artefact stands for itself."""
    if (registry / artefact.MANIFEST).is_file():
        return registry
    try:
        named = json.loads((registry / POINTER).read_text(encoding="utf-8"))["champion"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as broken:
        raise ArtefactRefused(f"{registry.name} holds neither a model nor a readable {POINTER}: {broken}") from broken
    if not isinstance(named, str) or named != Path(named).name or named in {"", ".", ".."}:
        raise ArtefactRefused(f"{POINTER} must name a folder beside it")
    return registry / named


def bands_path(folder: Path) -> Path:
    """Where a model's bands stand: beside its folder."""
    return folder.with_name(f"{folder.name}.bands.json")


def promote(registry: Path, version: str) -> None:
    """Let the pointer name `version`, which must be loadable with its bands. Atomic; rolling back is promoting another."""
    folder = registry / version
    artefact.load(folder)
    Bands.load(bands_path(folder))
    aside = registry / f".{POINTER}.writing"
    aside.write_text(json.dumps({"champion": version}, indent=2) + "\n", encoding="utf-8")
    aside.replace(registry / POINTER)


def load_champion(path: Path | None, *, encoder_fingerprint: str | None = None) -> ChampionScorer:
    """The champion of a registry folder, or of one artefact folder; None: the one shipped with the package.

    Raises `ArtefactRefused` for anything missing, changed, unsafe, or made with another encoder than `encoder_fingerprint`.
    """
    folder = champion_folder(SHIPPED if path is None else path)
    return ChampionScorer.from_artefact(
        artefact.load(folder, encoder=encoder_fingerprint), Bands.load(bands_path(folder))
    )
