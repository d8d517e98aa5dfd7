"""Plain learning of a layer: what private and federated learning are measured against, and what a shop does between two rounds."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from risk.tuning.layer import Floats, Rows, gradient


@dataclass(frozen=True, slots=True)
class Knobs:
    """Of gradient descent. Chosen on MWOZ, for all data alike."""

    rate: float = 2.0
    epochs: int = 40
    batch: int = 64  # people

    def as_json(self) -> dict[str, float | int]:
        """As kept in an artefact's manifest."""
        return asdict(self)


def zero(rows: Rows) -> Floats:
    """The layer that leaves the base as it is."""
    return np.zeros((rows.inputs.shape[1], rows.base.shape[2]))


def descend(rows: Rows, weight: Floats, knobs: Knobs, random: np.random.Generator) -> Floats:
    """Stochastic gradient descent over people in random order, repeatable for a seeded `random`; `weight` stays as it is."""
    people = rows.people
    for _ in range(knobs.epochs):
        order = random.permutation(people)
        for start in range(0, people, knobs.batch):
            weight = weight - knobs.rate * gradient(rows.of(order[start : start + knobs.batch]), weight)
    return weight


def central(rows: Rows, knobs: Knobs, seed: int) -> Floats:
    """A layer from all rows in one place, without noise."""
    return descend(rows, zero(rows), knobs, np.random.default_rng(seed))
