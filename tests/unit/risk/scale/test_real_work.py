"""Cross-validation and search give the same numbers here and in a pool of processes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import typer

from risk.conversation import data as conversation_data
from risk.conversation import train as conversation_train
from risk.conversation.knobs import Knobs
from risk.conversation.search import search
from risk.embeddings import CachedEncoder
from risk.errors import DataRefused
from risk.house import House, Log, place
from risk.scale.shards import HERE, Place

POOL = Place(workers=2)
QUICK = Knobs(epochs=4)  # the least that a search tries


@pytest.fixture
def talks(conversations_file: Path) -> list[conversation_data.Conversation]:
    return conversation_data.read([conversations_file])[:16]


def test_folds_in_a_pool_are_the_folds_of_one_process_to_the_bit(
    talks: list[conversation_data.Conversation], encoder: CachedEncoder
) -> None:
    lookup = encoder.lookup(conversation_train.texts(talks, QUICK, 3))
    steps: list[tuple[int, int]] = []
    curves: dict[str, list[tuple[object, ...]]] = {"here": [], "pool": []}
    one, _ = conversation_train.cross_validate(
        talks, lookup, 3, None, QUICK, lambda *point: curves["here"].append(point)
    )
    two, _ = conversation_train.cross_validate(
        talks,
        lookup,
        3,
        lambda *step: steps.append(step),
        QUICK,
        lambda *point: curves["pool"].append(point),
        place=POOL,
    )
    for name in ("inputs", "level", "ahead", "whole", "group"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    assert curves["here"] == curves["pool"] != []
    assert steps == [(n, 5) for n in range(6)]


@pytest.mark.long
def test_a_search_in_a_pool_tries_the_same_and_finds_the_same(
    talks: list[conversation_data.Conversation], encoder: CachedEncoder
) -> None:
    lookup = encoder.lookup(conversation_train.texts(talks, QUICK, 3))
    seen: list[tuple[int, int]] = []
    one = search(talks, lookup, 2, 3, QUICK, lambda *step: None)
    assert search(talks, lookup, 2, 3, QUICK, lambda *step: seen.append(step), place=POOL) == one
    assert seen == [(0, 2), (1, 2), (2, 2)]


def no_log(site: str, data_dir: Path | None) -> AbstractContextManager[Log]:
    raise DataRefused(f"there is no log of {site}")


def test_the_command_line_says_where() -> None:
    context = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    assert place(context) == HERE
    context.obj = House(lambda: Place(3, "ray://there:10001"), no_log)
    assert place(context) == Place(3, "ray://there:10001")
    assert place(context, 2) == Place(2)
