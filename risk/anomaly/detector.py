"""The detector as it is served: a table of tails a signal, and how rare their sum is. numpy only.

The surprise of a signal is log10 of one over the share of customers who show as much of it or more. Only what fewer than one in
twenty show counts, and only upwards: a customer who never returns anything is unusual too, and welcome. The score is the sum.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.anomaly.signals import SIGNALS, signals
from risk.errors import ArtefactRefused
from risk.types import History

Floats = NDArray[np.float64]

FILE: Final = "anomaly.json"  # in the data folder, a shop's own tables
SHIPPED: Final = Path(__file__).parent / "shipped.json"
COMMON: Final = float(np.log10(20))  # surprise of what one in twenty shows
GATE: Final = 0.01  # share of ordinary customers that may be taken for unusual
TOLD: Final = 3  # signals that explain a judgement
# Mean of an exponential tail where the training data never show a signal: priors, not estimates.
PRIORS: Final = {"coupon_orders": 1.5, "contacts_month": 1.0, "escalations_quarter": 0.8, "cancelled_share": 0.1}


@dataclass(frozen=True, slots=True)
class Tail:
    """Share of customers who show so much or more, at ascending `points`; log-linear between, constant beyond the last."""

    points: Floats
    share: Floats

    def surprise(self, values: Floats) -> Floats:
        """log10 of one over the share, float64 like `values`; 0 where nothing is known."""
        found = np.interp(np.nan_to_num(values), self.points, -np.log10(self.share))
        return np.where(np.isnan(values), 0.0, found)


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that stood out: its value, and the share of customers who show as much."""

    code: str
    value: float
    share: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """`rarity`: share of ordinary customers who are as unusual or more. `unusual`: it is below the gate. `signals`: why, the
    rarest first; empty when nothing stood out."""

    score: float
    rarity: float
    unusual: bool
    signals: tuple[Signal, ...] = ()


NOTHING: Final = Judgement(0.0, 1.0, unusual=False)


@dataclass(frozen=True, slots=True)
class Detector:
    """Tables of a shop. Immutable, so any number of threads may share it."""

    version: str
    tails: Mapping[str, Tail]
    total: Tail  # of the score among customers
    gate: float = GATE

    def scores(self, rows: Floats) -> Floats:
        """float64 [n] of rows of signals [n, len(SIGNALS)]."""
        return np.asarray(self._excess(rows).sum(axis=1))

    def judge(self, history: History | None, as_of: int) -> Judgement:
        """What is to be said of a customer at `as_of` (UTC milliseconds); nothing of whom nothing is known."""
        if history is None:
            return NOTHING
        row = signals(history, as_of)
        excess = self._excess(row[None, :])[0]
        score = float(excess.sum())
        if score <= 0:
            return NOTHING
        rarity = float(10 ** -self.total.surprise(np.array([score]))[0])
        loudest = [i for i in np.argsort(-excess, kind="stable") if excess[i] > 0][:TOLD]
        told = tuple(Signal(SIGNALS[i], float(row[i]), float(10 ** -(excess[i] + COMMON))) for i in loudest)
        return Judgement(score, rarity, rarity <= self.gate, told)

    def _excess(self, rows: Floats) -> Floats:
        columns = [self.tails[name].surprise(rows[:, i]) for i, name in enumerate(SIGNALS)]
        return np.maximum(np.stack(columns, axis=1) - COMMON, 0.0)

    def as_json(self) -> dict[str, Any]:
        """As stored."""

        def table(tail: Tail) -> dict[str, list[float]]:
            return {"points": tail.points.round(6).tolist(), "share": tail.share.round(9).tolist()}

        tails = {name: table(self.tails[name]) for name in SIGNALS}
        return {"version": self.version, "gate": self.gate, "tails": tails, "total": table(self.total)}

    @staticmethod
    def from_json(stored: Mapping[str, Any]) -> Detector:
        """Raises `ArtefactRefused` on anything but tables of ascending points and falling shares in (0, 1]."""
        try:
            tails = {name: _tail(stored["tails"][name]) for name in SIGNALS}
            gate = float(stored["gate"])
            if not 0 < gate < 1:
                raise ValueError("the gate must lie between 0 and 1")
            return Detector(str(stored["version"]), tails, _tail(stored["total"]), gate)
        except (KeyError, TypeError, ValueError) as broken:
            raise ArtefactRefused(f"the tables of unusual behaviour cannot be read: {broken}") from broken

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(self.as_json()) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path = SHIPPED) -> Detector:
        """Read from JSON; by default what comes with the package, see docs/decisions/0009-anomaly-beside-churn.md. Raises
        `ArtefactRefused`."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as broken:
            raise ArtefactRefused(f"{path.name} cannot be read: {broken}") from broken
        if not isinstance(stored, dict):
            raise ArtefactRefused(f"{path.name} must hold an object")
        return Detector.from_json(stored)


def _tail(stored: Mapping[str, Any]) -> Tail:
    points, share = (np.asarray(stored[key], dtype=np.float64) for key in ("points", "share"))
    sound = points.shape == share.shape and points.ndim == 1 and len(points) > 0 and np.isfinite(points).all()
    if not (
        sound
        and (np.diff(points) > 0).all()
        and (np.diff(share) <= 0).all()
        and (share > 0).all()
        and (share <= 1).all()
    ):
        raise ValueError("a table must have ascending points and falling shares")
    return Tail(points, share)
