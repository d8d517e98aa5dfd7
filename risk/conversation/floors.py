"""Floors: dumb readers trained on the same turns, that every measurement is shown beside.

`tfidf` knows the characters of the turn and nothing else; `surface` knows the turn features and no text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from risk.calibration import softmax
from risk.conversation import lexical
from risk.conversation.knobs import FLOOR
from risk.conversation.lexical import NO_VECTOR, Lexical, Turn, grams
from risk.text import WIDTH
from risk.types import Vector


@dataclass(frozen=True, slots=True)
class Floors:
    """Both floors and, for closing ratings, how often each level was given."""

    tfidf: Lexical
    surface_dense: Vector  # [WIDTH, 3]
    surface_bias: Vector  # [3]
    mean: Vector  # [WIDTH]
    scale: Vector  # [WIDTH]
    closing: Vector  # [3] probabilities

    def tensors(self) -> dict[str, Vector]:
        """What `of` needs beside the main reader's vocabulary."""
        found = {f"tfidf_{name}": value for name, value in self.tfidf.tensors().items()}
        return found | {n: getattr(self, n) for n in ("surface_dense", "surface_bias", "mean", "scale", "closing")}

    @staticmethod
    def of(vocabulary: Sequence[str], tensors: Mapping[str, Vector]) -> Floors:
        """From an artefact's parts; the floor knows the n-grams of the main reader."""
        tfidf = Lexical.build(
            vocabulary, {name.removeprefix("tfidf_"): v for name, v in tensors.items() if name.startswith("tfidf_")}
        )
        return Floors(tfidf, *(tensors[n] for n in ("surface_dense", "surface_bias", "mean", "scale", "closing")))

    def levels(self, text: str, features: Vector) -> dict[str, NDArray[np.float64]]:
        """Level probabilities [3] of one turn by each floor."""
        surface = ((features - self.mean) * self.scale) @ self.surface_dense + self.surface_bias
        return {
            "tfidf": softmax(self.tfidf.logits(grams(text), np.zeros(WIDTH, np.float32), NO_VECTOR)),
            "surface": softmax(surface),
        }


def fit_floors(turns: Sequence[Turn], closing: Sequence[int]) -> Floors:
    """Train both floors on labelled turns; `closing` are the ratings of whole conversations."""
    nothing = np.zeros(WIDTH, np.float32)
    tfidf = lexical.fit([replace(t, features=nothing, vector=NO_VECTOR) for t in turns], knobs=FLOOR)
    surface = lexical.fit([replace(t, text="", vector=NO_VECTOR) for t in turns], knobs=FLOOR)
    counts = np.bincount(closing, minlength=3) + 1.0 if closing else np.ones(3)
    # every turn of the surface floor has the same n-grams, those of an empty text: they are part of its offset
    places, values = surface.row(grams(""))
    offset = surface.bias[0] + (np.asarray(values, np.float32) @ surface.weight[places, 0] if places else 0)
    return Floors(
        tfidf,
        np.ascontiguousarray(surface.dense[:, 0]),
        np.asarray(offset, np.float32),
        surface.mean,
        surface.scale,
        (counts / counts.sum()).astype(np.float32),
    )
