"""The models of a running server: loaded from the registry, swapped when its pointer moves, rolled back when one fails.

Swapping is hot: the next turn goes to the new model, whose conversation states are rebuilt from the stored vectors, and no turn is
dropped. A pointer that names a damaged model changes nothing: those that serve go on serving, and the reason is reported.
Guard-rails look at what a model did in its last turns; a challenger that breaks one is withdrawn, a champion that was promoted
gives way to the one before it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import structlog

from assistant.settings import Settings
from assistant.turns.inference import Inference
from assistant.turns.ports import Unavailable
from assistant.turns.served import Health, Served
from risk import artefact, registry
from risk.errors import ArtefactRefused
from risk.scorer import ChampionScorer
from risk.types import Scorer

log = structlog.get_logger()

LOOK_SECONDS: Final = 5.0
LEAST_TURNS: Final = 30  # before a guard-rail may judge
MOST_FAILED: Final = 0.05
REFUSED: Final = (ArtefactRefused, OSError, ValueError)


def own_registry(settings: Settings) -> Path:
    """The folder in which this installation keeps models of its own."""
    return settings.model_dir or settings.data_dir / "models"


def registry_of(settings: Settings) -> Path:
    """The registry that serves: the installation's own once it holds a pointer, else the shipped one."""
    if settings.model_dir is not None:
        return settings.model_dir
    own = own_registry(settings)
    return own if (own / registry.POINTER).is_file() else registry.SHIPPED


def adopted(settings: Settings) -> Path:
    """The installation's own registry; the first move that writes to it puts the shipped champion in it."""
    folder = own_registry(settings)
    if not (folder / artefact.MANIFEST).is_file():
        registry.adopt(folder)
    return folder


class Models:
    """Keeps an `Inference` on the models that the registry names. One a process."""

    def __init__(self, settings: Settings, fingerprint: str, *, slowest_ms: float | None = None) -> None:
        self._settings = settings
        self._fingerprint = fingerprint
        self._slowest_ms = settings.model_deadline_ms / 4 if slowest_ms is None else slowest_ms
        self._seen: tuple[Path, bytes] | None = None
        self.refused: str | None = None  # why the pointer's model does not serve

    def load(self) -> Served:
        """The models that the pointer names. What cannot be loaded: a challenger is left out, a champion `Unavailable`."""
        folder = registry_of(self._settings)
        self._seen = (folder, _content(folder))
        self.refused = None
        try:
            if not (folder / registry.POINTER).is_file():  # one artefact instead of a registry
                return Served(registry.load_champion(folder, encoder_fingerprint=self._fingerprint))
            names = registry.pointer(folder)
            champion = registry.load(folder / names.champion, encoder_fingerprint=self._fingerprint)
        except REFUSED as error:
            self.refused = str(error)
            return Served(Unavailable(str(error)))
        challenger: Scorer | None = None
        if names.challenger is not None:
            try:
                challenger = registry.load(folder / names.challenger, encoder_fingerprint=self._fingerprint)
            except REFUSED as error:
                self.refused = str(error)
                log.error("challenger_refused", version=names.challenger, reason=str(error))
        return Served(champion, challenger, names.share if challenger is not None else 0.0)

    def refresh(self, inference: Inference) -> bool:
        """Swaps when the pointer has moved; whether it did. What cannot be loaded never takes the place of what serves."""
        folder = registry_of(self._settings)
        if self._seen == (folder, _content(folder)):
            return False
        found = self.load()
        if isinstance(found.champion, Unavailable):
            log.error("model_refused", reason=found.champion.reason)
            return False
        inference.swap(found)
        log.info("model_swapped", models=found.name, share=found.share)
        return True

    def guard(self, inference: Inference) -> str | None:
        """Withdraws a challenger, or rolls a promoted champion back, when it breaks a guard-rail; says why."""
        folder = registry_of(self._settings)
        served = inference.served
        if isinstance(served.champion, Unavailable) or not (folder / registry.POINTER).is_file():
            return None
        try:
            names = registry.pointer(folder)
            if served.challenger is not None and served.challenger.version == names.challenger:
                why = self._broken(inference.health(served.challenger.version))
                if why is not None:
                    registry.challenge(folder, None, reason=why, by="guard-rail")
                    return why
            if served.champion.version == names.champion and names.before is not None:
                why = self._broken(inference.health(served.champion.version))
                if why is not None:
                    registry.roll_back(folder, reason=why, by="guard-rail")
                    return why
        except REFUSED as error:
            log.error("guard_rail_failed", reason=str(error))
        return None

    def _broken(self, health: Health) -> str | None:
        if health.turns < LEAST_TURNS:
            return None
        if health.failed > MOST_FAILED:
            return f"no number in {health.failed:.0%} of its last {health.turns} turns"
        if health.p95_ms > self._slowest_ms:
            return f"{health.p95_ms:.0f} ms a score (95th percentile) in its last {health.turns} turns"
        return None

    async def watch(self, inference: Inference) -> None:
        """Looks at pointer and guard-rails until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            why = await asyncio.to_thread(self.guard, inference)
            if why is not None:
                log.error("guard_rail", reason=why)
            await asyncio.to_thread(self.refresh, inference)


def bands_of(served: Served) -> dict[str, float] | None:
    """Where the bands of the serving champion begin, for the curves on the screens."""
    if not isinstance(served.champion, ChampionScorer):
        return None
    return {"elevated": served.champion.bands.elevated, "high": served.champion.bands.high}


def _content(folder: Path) -> bytes:
    try:
        return (folder / registry.POINTER).read_bytes()
    except OSError:
        return b""
