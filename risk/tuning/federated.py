"""Federated averaging (McMahan et al., 2017) of the layer over several shops: words stay where they were said, layers travel.

Each round every shop goes on from the common layer over its own rows, and the common layer becomes the mean of what they came to,
each weighed by its number of people. What a shop sends is a layer and a number. That is less than its conversations, and it is no
promise: a layer tells something of what it was made of. Who needs a promise learns privately (`risk.tuning.private`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from risk.errors import DataRefused
from risk.tuning import fit
from risk.tuning.layer import Floats, Rows

LEAST_PEOPLE: Final = 20  # of a shop: the mean of fewer says too much of each


@dataclass(frozen=True, slots=True)
class Plan:
    """`rounds` of averaging, between which a shop goes over its rows `local.epochs` times."""

    rounds: int = 20
    local: fit.Knobs = field(default_factory=lambda: fit.Knobs(epochs=2))

    def as_json(self) -> dict[str, Any]:
        """As kept in an artefact's manifest."""
        return {"rounds": self.rounds, "local": self.local.as_json()}


def local(rows: Rows, weight: Floats, plan: Plan, *, seed: int, shop: int, turn: int) -> Floats:
    """What one shop comes to in one round; its draws follow from seed, shop and round, so that a run can be repeated."""
    return fit.descend(rows, weight, plan.local, np.random.default_rng([seed, shop, turn]))


def average(layers: Sequence[Floats], people: Sequence[int]) -> Floats:
    """The mean of layers, weighed by people."""
    total = sum(people)
    return np.asarray(sum(layer * (count / total) for layer, count in zip(layers, people, strict=True)))


def learn(shops: Sequence[Rows], plan: Plan, seed: int, progress: Callable[[int, int], None] | None = None) -> Floats:
    """W of all shops together. Raises `DataRefused` for a shop with too few people."""
    refuse_few(shops)
    weight = fit.zero(shops[0])
    for turn in range(plan.rounds):
        came_to = [local(rows, weight, plan, seed=seed, shop=n, turn=turn) for n, rows in enumerate(shops)]
        weight = average(came_to, [rows.people for rows in shops])
        if progress is not None:
            progress(turn + 1, plan.rounds)
    return weight


def refuse_few(shops: Sequence[Rows]) -> None:
    """Raises `DataRefused` for no shop, or for one with too few people."""
    if not shops:
        raise DataRefused("there is no shop to learn from")
    for number, rows in enumerate(shops, start=1):
        if rows.people < LEAST_PEOPLE:
            raise DataRefused(
                f"shop {number} has {rows.people} people with labelled messages; at least {LEAST_PEOPLE} are needed"
            )
