"""The models side by side for people: who serves, who challenges, what each can do, what the gate said; and the moves.

A move is made on what its maker saw: it names the champion of that moment, and is refused when another one serves by then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from assistant.errors import BadInput, Conflict
from assistant.loop import gating
from risk import artefact, registry
from risk.bands import Bands
from risk.errors import ArtefactRefused

What = Literal["promote", "shadow", "canary", "withdraw", "rollback"]

MOST_MODELS: Final = 40  # listed; those that serve are always among them
MOST_MOVES: Final = 50
# How near a model is to serving.
_ORDER: Final = ("champion", "canary", "shadow", "passed", "before", "untested", "refused", "retired", "damaged")
_FIGURE: Final = frozenset({"value", "low", "high"})


def describe(folder: Path) -> dict[str, Any]:
    """The registry in `folder`: pointer, models (nearest to serving first), and the journal's last moves, newest first.

    Also for a folder that is one artefact instead of a registry. Raises `ArtefactRefused` when there is no readable pointer.
    """
    alone = (folder / artefact.MANIFEST).is_file()
    names = registry.Pointer(folder.name) if alone else registry.pointer(folder)
    parent = folder.parent if alone else folder
    moves = [] if alone else registry.journal(folder)
    first = [name for name in (names.champion, names.challenger, names.before) if name is not None]
    others = [] if alone else [name for name in reversed(registry.versions(folder)) if name not in first]
    served = {str(move.get("champion")) for move in moves}
    models = [_model(parent, version, names, served) for version in dict.fromkeys([*first, *others][:MOST_MODELS])]
    models.sort(key=lambda model: _ORDER.index(model["state"]))
    return {
        "champion": names.champion,
        "challenger": names.challenger,
        "share": names.share,
        "before": names.before,
        "movable": not alone,
        "models": models,
        "journal": [_move(move) for move in reversed(moves[-MOST_MOVES:])],
    }


def move(
    folder: Path, what: What, *, champion: str, version: str | None, share: float, reason: str, by: str
) -> registry.Pointer:
    """Moves the pointer of a registry. `champion`: whom the maker saw serving.

    Raises Conflict: `moved` when another champion serves by now, `gate` when the model has not passed the gate against it,
    `model_refused` when it must not be loaded or the move leads nowhere; BadInput `version` without one where one is needed.
    """
    try:
        if registry.pointer(folder).champion != champion:
            raise Conflict("another model has become champion meanwhile", code="moved")
        if what == "rollback":
            return registry.roll_back(folder, reason=reason, by=by)
        if what == "withdraw":
            if registry.pointer(folder).challenger is None:
                raise Conflict("nobody challenges the champion", code="model_refused")
            return registry.challenge(folder, None, reason=reason, by=by)
        if version is None or version not in registry.versions(folder):
            raise BadInput("name a model of the registry", code="version")
        if what == "shadow":
            return registry.challenge(folder, version, reason=reason, by=by)
        if not gating.may_serve(folder, version):
            raise Conflict("the model has not passed the gate against this champion", code="gate")
        if what == "canary":
            if not 0 < share <= 1:
                raise BadInput("a canary serves a share above 0 and at most 1", code="share")
            return registry.challenge(folder, version, share=share, reason=reason, by=by)
        return registry.promote(folder, version, reason=reason, by=by)
    except ArtefactRefused as error:
        raise Conflict(str(error), code="model_refused") from error


def _model(folder: Path, version: str, names: registry.Pointer, served: set[str]) -> dict[str, Any]:
    try:
        manifest, card = artefact.about(folder / version)
        bands = Bands.load(registry.bands_path(folder / version))
    except ArtefactRefused as error:
        return {"version": version, "state": "damaged", "why": str(error)}
    verdict = gating.verdict_of(folder, version)
    return {
        "version": version,
        "state": _state(version, names, served, verdict),
        "encoder": manifest["encoder"]["name"],
        "bands": {"elevated": bands.elevated, "high": bands.high},
        "figures": list(_figures(manifest["metrics"])),
        "card": card,
        "gate": verdict,
    }


def _state(version: str, names: registry.Pointer, served: set[str], verdict: Mapping[str, Any] | None) -> str:
    """champion, canary, shadow, before (where a roll-back leads), passed, refused, retired, or untested.

    A verdict counts against the present champion only.
    """
    if version == names.champion:
        return "champion"
    if version == names.challenger:
        return "canary" if names.share else "shadow"
    if version == names.before:
        return "before"
    if verdict is not None and verdict.get("champion") == names.champion:
        return "passed" if verdict.get("passed") else "refused"
    return "retired" if version in served else "untested"


def _figures(metrics: Mapping[str, Any], path: str = "") -> Iterator[dict[str, Any]]:
    """Every number of a model's figures under its path, with its interval where it has one."""
    for name, value in metrics.items():
        place = f"{path}.{name}" if path else str(name)
        if isinstance(value, Mapping):
            if "value" in value and set(value) <= _FIGURE:
                yield {"name": place, **{part: _number(value.get(part)) for part in ("value", "low", "high")}}
            else:
                yield from _figures(value, place)
        elif _number(value) is not None:
            yield {"name": place, "value": _number(value), "low": None, "high": None}


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def _move(line: Mapping[str, Any]) -> dict[str, Any]:
    try:
        at: int | None = round(datetime.fromisoformat(str(line.get("at"))).timestamp() * 1000)
    except ValueError:
        at = None
    texts = {name: str(line.get(name) or "") for name in ("what", "version", "champion", "reason", "by")}
    return {"at": at, **texts, "from": line.get("from"), "share": _number(line.get("share")) or 0.0}
