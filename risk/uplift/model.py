"""A learned uplift model as it serves: for each treatment, a small LightGBM model of its effect on staying, in one JSON file.

The learner that was chosen is distilled into trees, so that every learner serves the same way. The file carries its own hash; it is
data and can run nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from risk.errors import ArtefactRefused

Floats = NDArray[np.float64]

FORMAT: Final = 1
MAX_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of one treatment against ordinary service. `trees`: LightGBM text, None for a constant effect."""

    mean: float
    low: float  # predictions are kept inside what was seen in training
    high: float
    trees: str | None
    learner: str
    figures: Mapping[str, Any]


class UpliftModel:
    """Predicts the change in the probability of staying, for each treatment it has learned. Thread-safe."""

    def __init__(self, features: Mapping[str, float], effects: Mapping[str, Effect], data: Mapping[str, Any]) -> None:
        self.features = dict(features)  # name → median, for what is unknown
        self.known = dict(effects)
        self.data = dict(data)
        self._boosters = {kind: _booster(effect.trees) for kind, effect in effects.items() if effect.trees is not None}

    @property
    def version(self) -> str:
        """`uplift-<first 12 of the content's hash>`."""
        return f"uplift-{self._hash()[:12]}"

    def effects(self, features: Mapping[str, float | None]) -> dict[str, float]:
        """Effects by treatment kind for one customer. Unknown and non-finite features count as their median."""
        row = np.asarray([[self._value(features.get(name), median) for name, median in self.features.items()]])
        return {kind: float(values[0]) for kind, values in self.predict(row).items()}

    def predict(self, x: Floats) -> dict[str, Floats]:
        """Effects by treatment kind, float [n], for a matrix [n, p] in the order of `features`."""
        found = {}
        for kind, effect in self.known.items():
            booster = self._boosters.get(kind)
            raw = (
                np.full(len(x), effect.mean)
                if booster is None
                else np.asarray(booster.predict(x, num_threads=1), np.float64)
            )
            found[kind] = np.clip(raw, effect.low, effect.high)
        return found

    def save(self, path: Path) -> None:
        """Writes the file aside and renames it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.writing")
        aside.write_text(
            json.dumps({"sha256": self._hash(), "content": self._content()}, indent=1, sort_keys=True) + "\n",
            encoding="utf-8",
        )
        aside.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads and checks a file. Raises ArtefactRefused."""
        try:
            if path.stat().st_size > MAX_BYTES:
                raise ArtefactRefused(f"{path.name} is larger than any uplift model of ours")
            whole = json.loads(path.read_text(encoding="utf-8"))
            content = whole["content"]
            if content["format"] != FORMAT:
                raise ArtefactRefused(f"uplift format {content['format']!r} is not {FORMAT}")
            effects = {
                str(kind): Effect(
                    float(one["mean"]),
                    float(one["low"]),
                    float(one["high"]),
                    one["trees"],
                    str(one["learner"]),
                    dict(one["figures"]),
                )
                for kind, one in content["effects"].items()
            }
            features = {str(name): float(median) for name, median in content["features"].items()}
            found = cls(features, effects, dict(content["data"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as broken:
            raise ArtefactRefused(f"{path.name} is no uplift model: {broken}") from broken
        if found._hash() != whole["sha256"]:
            raise ArtefactRefused(f"{path.name} does not have the hash that it states")
        numbers = [*features.values(), *(n for e in effects.values() for n in (e.mean, e.low, e.high))]
        if not all(math.isfinite(number) for number in numbers) or any(e.low > e.high for e in effects.values()):
            raise ArtefactRefused(f"{path.name} holds numbers that are none")
        return found

    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "features": self.features,
            "effects": {
                kind: {
                    "mean": effect.mean,
                    "low": effect.low,
                    "high": effect.high,
                    "trees": effect.trees,
                    "learner": effect.learner,
                    "figures": dict(effect.figures),
                }
                for kind, effect in self.known.items()
            },
            "data": self.data,
        }

    def _hash(self) -> str:
        return hashlib.sha256(json.dumps(self._content(), sort_keys=True).encode()).hexdigest()

    @staticmethod
    def _value(value: float | None, median: float) -> float:
        return float(value) if value is not None and math.isfinite(value) else median


def _booster(text: str | None) -> Any:
    import lightgbm

    try:
        return lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as broken:
        raise ArtefactRefused(f"the trees of an uplift model cannot be read: {broken}") from broken
