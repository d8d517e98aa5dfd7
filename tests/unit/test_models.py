from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.models import LEAST_TURNS, Models, bands_of, own_registry, registry_of
from assistant.settings import Settings
from assistant.turns.inference import Heard, Inference, Request
from assistant.turns.ports import Unavailable
from assistant.turns.served import Health
from retrieval.encoders import load
from risk import registry
from risk.types import Message
from tests.tools.another_model import another

ENCODER = load("use")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def own(settings: Settings) -> Path:
    folder = own_registry(settings)
    registry.adopt(folder)
    return folder


@pytest.fixture
def second(own: Path) -> str:
    """The champion's weights as another version, with bands of its own."""
    return another(own, elevated=0.3)


@pytest.fixture
def models(settings: Settings) -> Models:
    return Models(settings, ENCODER.fingerprint, slowest_ms=50.0)


@pytest.fixture
def inference(own: Path, models: Models) -> Iterator[Inference]:
    served = models.load()
    made = Inference(ENCODER, served.champion, deadline_ms=20_000)
    made.swap(served)
    yield made
    made.close()


def test_the_shipped_model_serves_until_there_is_one_of_its_own(settings: Settings, models: Models) -> None:
    assert registry_of(settings) == registry.SHIPPED
    assert models.load().name == registry.pointer(registry.SHIPPED).champion
    registry.adopt(own_registry(settings))
    assert registry_of(settings) == own_registry(settings)


async def test_a_moved_pointer_swaps_while_serving(
    own: Path, second: str, models: Models, inference: Inference
) -> None:
    first = inference.model
    assert not models.refresh(inference)
    thresholds = bands_of(inference.served)
    registry.promote(own, second, reason="better")
    assert models.refresh(inference)
    assert inference.model == second
    assert bands_of(inference.served) != thresholds
    reading = await inference.read(Request(None, [Heard(1, Message("contact", "hello"))], None, as_of=0))
    assert reading.model == second
    registry.roll_back(own, reason="worse")
    assert models.refresh(inference)
    assert inference.model == first


def test_a_damaged_model_never_takes_the_place_of_what_serves(
    own: Path, second: str, models: Models, inference: Inference
) -> None:
    first = inference.model
    registry.promote(own, second)
    (own / second / "settings.json").write_text("{}", encoding="utf-8")
    assert not models.refresh(inference)
    assert inference.model == first
    assert models.refused is not None
    assert not models.refresh(inference)  # and is not tried again until the pointer moves
    registry.roll_back(own, reason="damaged")
    assert models.refresh(inference)
    assert models.refused is None


def test_a_damaged_challenger_is_left_out(own: Path, second: str, models: Models) -> None:
    registry.challenge(own, second, share=0.25)
    registry.bands_path(own / second).write_text("no", encoding="utf-8")
    served = models.load()
    assert served.challenger is None
    assert served.share == 0.0
    assert models.refused is not None


def test_a_champion_that_cannot_be_loaded_at_the_start_is_said(own: Path, models: Models) -> None:
    (own / registry.POINTER).write_text("{", encoding="utf-8")
    assert isinstance(models.load().champion, Unavailable)


def fail(health: Health, *, sound: bool = False, ms: float = 1.0) -> None:
    for _ in range(LEAST_TURNS):
        health.note(sound=sound, ms=ms)


@pytest.mark.parametrize(("sound", "ms", "why"), [(False, 1.0, "no number"), (True, 400.0, "400 ms a score")])
def test_a_challenger_that_breaks_a_guard_rail_is_withdrawn(
    own: Path, second: str, models: Models, inference: Inference, sound: bool, ms: float, why: str
) -> None:
    registry.challenge(own, second, share=0.25)
    models.refresh(inference)
    assert models.guard(inference) is None
    fail(inference.health(second), sound=sound, ms=ms)
    assert why in (models.guard(inference) or "")
    assert registry.pointer(own).challenger is None
    assert registry.journal(own)[-1]["by"] == "guard-rail"
    models.refresh(inference)
    assert inference.served.challenger is None


def test_a_promoted_champion_that_fails_gives_way_to_the_one_before(
    own: Path, second: str, models: Models, inference: Inference
) -> None:
    first = inference.model
    registry.promote(own, second)
    models.refresh(inference)
    fail(inference.health(second))
    assert models.guard(inference) is not None
    models.refresh(inference)
    assert inference.model == first
    assert registry.journal(own)[-1]["what"] == "rollback"


def test_a_champion_without_a_predecessor_stays_whatever_it_does(
    models: Models, inference: Inference, settings: Settings
) -> None:
    fail(inference.health(inference.model))
    assert models.guard(inference) is None
