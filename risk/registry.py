"""Which models serve: a folder of artefacts, bands beside each, a pointer that names who serves, and a journal of its moves.

    <version>/            an artefact, never changed
    <version>.bands.json  its risk bands
    champion.json         {"champion", "challenger", "share", "before"}
    journal.jsonl         one line a move: when, what, from where, why, by whom

Promotion and roll-back move the pointer; it is replaced as a whole, so a reader sees the old one or the new one. A running server
looks at it every few seconds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from risk import artefact
from risk.bands import Bands
from risk.errors import ArtefactRefused
from risk.scorer import ChampionScorer

SHIPPED = Path(__file__).parent / "artefacts"
POINTER = "champion.json"
JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Pointer:
    """Who serves. `share` of customers meets the challenger, 0: it only shadows. `before` is where a roll-back leads."""

    champion: str
    challenger: str | None = None
    share: float = 0.0
    before: str | None = None


def pointer(registry: Path) -> Pointer:
    """What the registry's pointer says; raises `ArtefactRefused` when it cannot be read or names no folder beside it."""
    try:
        values = json.loads((registry / POINTER).read_text(encoding="utf-8"))
        found = Pointer(
            champion=values["champion"],
            challenger=values.get("challenger"),
            share=float(values.get("share", 0.0)),
            before=values.get("before"),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as broken:
        raise ArtefactRefused(f"{registry.name} holds neither a model nor a readable {POINTER}: {broken}") from broken
    names = [found.champion, *(name for name in (found.challenger, found.before) if name is not None)]
    if not all(isinstance(name, str) and name == Path(name).name and name not in {"", ".", ".."} for name in names):
        raise ArtefactRefused(f"{POINTER} must name folders beside it")
    if not 0.0 <= found.share <= 1.0:
        raise ArtefactRefused(f"{POINTER}: a share lies between 0 and 1")
    return found


def champion_folder(registry: Path) -> Path:
    """The artefact folder that the pointer of a registry names; a path that is itself an artefact stands for itself."""
    if (registry / artefact.MANIFEST).is_file():
        return registry
    return registry / pointer(registry).champion


def bands_path(folder: Path) -> Path:
    """Where a model's bands stand: beside its folder."""
    return folder.with_name(f"{folder.name}.bands.json")


def versions(registry: Path) -> list[str]:
    """The artefacts of a registry, by name."""
    if not registry.is_dir():
        return []
    return sorted(entry.parent.name for entry in registry.glob(f"*/{artefact.MANIFEST}"))


# --- moves ------------------------------------------------------------------------------------------------------------


def promote(registry: Path, version: str, *, reason: str = "", by: str = "") -> Pointer:
    """Let `version` be the champion. It must be loadable with its bands; a challenger of another version stays one."""
    _check(registry, version)
    old = pointer(registry) if (registry / POINTER).is_file() else None
    if old is None:
        new = Pointer(version)
    else:
        before = old.champion if old.champion != version else old.before
        new = Pointer(version, before=before)
        if old.challenger not in (None, version):
            new = replace(new, challenger=old.challenger, share=old.share)
    return _move(registry, "promote", old, new, version, reason, by)


def roll_back(registry: Path, *, reason: str, by: str = "") -> Pointer:
    """Let the champion before this one serve again, and no challenger any more."""
    old = pointer(registry)
    if old.before is None:
        raise ArtefactRefused("there is no champion before this one")
    _check(registry, old.before)
    return _move(registry, "rollback", old, Pointer(old.before), old.before, reason, by)


def challenge(registry: Path, version: str | None, *, share: float = 0.0, reason: str = "", by: str = "") -> Pointer:
    """Let `version` shadow the champion, or serve a `share` of customers; None withdraws the challenger."""
    old = pointer(registry)
    if not 0.0 <= share <= 1.0:
        raise ArtefactRefused("a share lies between 0 and 1")
    if version is None:
        return _move(
            registry, "withdraw", old, replace(old, challenger=None, share=0.0), old.challenger or "", reason, by
        )
    if version == old.champion:
        raise ArtefactRefused(f"{version} is the champion: it cannot challenge itself")
    _check(registry, version)
    what = "canary" if share else "shadow"
    return _move(registry, what, old, replace(old, challenger=version, share=share), version, reason, by)


def journal(registry: Path) -> list[dict[str, Any]]:
    """The moves, oldest first; a line that was cut off by a crash is left out."""
    try:
        lines = (registry / JOURNAL).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    moves = []
    for line in lines:
        try:
            moves.append(json.loads(line))
        except ValueError:
            continue
    return moves


def adopt(registry: Path) -> None:
    """Make a registry of one's own, with the shipped champion in it; one that has a pointer stays as it is."""
    if (registry / POINTER).is_file():
        return
    registry.mkdir(parents=True, exist_ok=True)
    promote(registry, take_shipped(registry), reason="shipped with this version")


def shipped() -> str:
    """The model that this version of the product brings along."""
    return champion_folder(SHIPPED).name


def take_shipped(registry: Path) -> str:
    """Copy the shipped model and its bands into a registry; its name. It serves nobody by that."""
    source = champion_folder(SHIPPED)
    bands = bands_path(source)
    shutil.copyfile(bands, registry / bands.name)
    aside = registry / f".{source.name}.taking"
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(source, aside)
    shutil.rmtree(registry / source.name, ignore_errors=True)
    aside.rename(registry / source.name)
    return source.name


def remove(registry: Path, version: str) -> None:
    """Delete a model and its bands. Its moves stay in the journal. Raises `ArtefactRefused` for one that the pointer names."""
    names = pointer(registry)
    if version in (names.champion, names.challenger, names.before):
        raise ArtefactRefused(f"{version} serves, challenges, or is where a roll-back leads")
    folder = registry / version
    if version not in versions(registry):
        raise ArtefactRefused(f"there is no model {version} in {registry.name}")
    (folder / artefact.MANIFEST).unlink()  # from now on it is none, whatever happens to the rest
    shutil.rmtree(folder)
    bands_path(folder).unlink(missing_ok=True)


def _check(registry: Path, version: str) -> None:
    folder = registry / version
    artefact.load(folder)
    Bands.load(bands_path(folder))


def _move(registry: Path, what: str, old: Pointer | None, new: Pointer, version: str, reason: str, by: str) -> Pointer:
    entry: Mapping[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "what": what,
        "version": version,
        "champion": new.champion,
        "from": None if old is None else old.champion,
        "share": new.share,
        "reason": reason,
        "by": by,
    }
    with (registry / JOURNAL).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
    aside = registry / f".{POINTER}.writing"
    aside.write_text(json.dumps(asdict(new), indent=2) + "\n", encoding="utf-8")
    aside.replace(registry / POINTER)
    return new


# --- loading ----------------------------------------------------------------------------------------------------------


def load(folder: Path, *, encoder_fingerprint: str | None = None) -> ChampionScorer:
    """A model as it serves, from its artefact folder.

    Raises `ArtefactRefused` for anything missing, changed, unsafe, or made with another encoder than `encoder_fingerprint`.
    """
    return ChampionScorer.from_artefact(
        artefact.load(folder, encoder=encoder_fingerprint), Bands.load(bands_path(folder))
    )


def load_champion(path: Path | None, *, encoder_fingerprint: str | None = None) -> ChampionScorer:
    """The champion of a registry folder, or of one artefact folder; None: the one shipped with the package. Raises like `load`."""
    return load(champion_folder(SHIPPED if path is None else path), encoder_fingerprint=encoder_fingerprint)
