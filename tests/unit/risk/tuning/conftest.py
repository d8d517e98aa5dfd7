"""People who wrote once or twice, as two shops have them, seen by the tiny model."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from risk.artefact import Artefact
from risk.conversation import data as conversation_data
from risk.embeddings import CachedEncoder
from risk.tuning.layer import Frozen, Rows
from risk.tuning.rows import read

SAID = (
    ["what a mess, I waited all day", "还没到,等了一天", "nobody answers here"],
    ["which sizes are there?", "有什么颜色", "can I pay by card?"],
    ["lovely, that works", "好用,谢谢", "great, exactly what I wanted"],
)

Make = Callable[[str, int, int], Path]


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """`make(name, people, seed)`: a file of conversations; every fourth customer has two."""

    def write(name: str, people: int, seed: int) -> Path:
        draw = random.Random(seed)
        path = tmp_path_factory.mktemp("shops") / f"{name}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for person in range(people):
                for talk in range(2 if person % 4 == 0 else 1):
                    messages: list[dict[str, object]] = []
                    for _ in range(draw.randint(1, 4)):
                        level = draw.randrange(3)
                        text = f"{draw.choice(SAID[level])} {draw.randrange(900)}"
                        messages.append({"role": "customer", "text": text, "satisfaction": level})
                        messages.append({"role": "agent", "text": "one moment"})
                    row = {"id": f"{name}-{person}-{talk}", "language": "en", "customer_id": f"{name}-{person}"}
                    file.write(json.dumps({**row, "messages": messages}) + "\n")
        return path

    return write


@pytest.fixture(scope="session")
def frozen(artefact: Artefact) -> Frozen:
    """What is never learnt anew."""
    return Frozen.of(artefact)


@pytest.fixture(scope="session")
def seen(frozen: Frozen, encoder: CachedEncoder) -> Callable[[Path], Rows]:
    """The rows of a file."""

    def rows(path: Path) -> Rows:
        talks = conversation_data.read([path])
        return read(frozen, talks, encoder.lookup(m.text for c in talks for m in c.messages))

    return rows


@pytest.fixture(scope="session")
def big(make: Make, seen: Callable[[Path], Rows]) -> Rows:
    """A shop with people enough to hide among."""
    return seen(make("big", 130, 1))


@pytest.fixture(scope="session")
def small(make: Make, seen: Callable[[Path], Rows]) -> Rows:
    """Another one."""
    return seen(make("small", 40, 2))
