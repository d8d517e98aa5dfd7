"""The history model as it is served: LightGBM text models, their logits averaged, a calibration curve, what moved one score."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from risk.calibration import Curve, logit, sigmoid
from risk.history.features import FEATURES, WIDTH, features
from risk.types import History

# Without a date there is no "recency": such a customer is as unknown as an anonymous visitor.
NEEDED = "recency_days"
_FIRST_LINE = re.compile(r"(?m)^(?=tree$)")  # of a model in LightGBM's text format


@dataclass(frozen=True, slots=True)
class HistoryScore:
    """What the history says. `contributions` are shares of the raw logit, float64 [WIDTH], aligned with `FEATURES`."""

    raw: float
    churn: float
    low: float
    high: float
    values: dict[str, float | None]
    contributions: NDArray[np.float64]
    known: bool  # False: nothing usable is known, the base rate stands in


class Boosters:
    """Boosted trees whose logits are averaged. Each may have learnt from any of the `FEATURES`."""

    def __init__(self, members: Sequence[lgb.Booster]) -> None:
        self._members = [(member, _places(member)) for member in members]
        if not self._members:
            raise ValueError("the history model holds no trees")

    @staticmethod
    def parse(text: str) -> Boosters:
        """From LightGBM's text format, one model after the other."""
        return Boosters([lgb.Booster(model_str=part) for part in _FIRST_LINE.split(text) if part.strip()])

    @property
    def text(self) -> str:
        """As `parse` takes it."""
        return "".join(member.model_to_string() for member, _ in self._members)

    def logits(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64 [n] of feature rows [n, WIDTH]."""
        found = [m.predict(rows[:, places], raw_score=True, num_threads=1) for m, places in self._members]
        return np.asarray(np.mean(found, axis=0), dtype=np.float64)

    def shares(self, row: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """SHAP values of one row [WIDTH] and what is shared by all; together they add up to its logit, since a mean of models has
        the mean of their SHAP values."""
        shares, common = np.zeros(WIDTH), 0.0
        for member, places in self._members:
            found = np.asarray(member.predict(row[None, places], pred_contrib=True, num_threads=1), np.float64)[0]
            shares[places] += found[:-1] / len(self._members)
            common += float(found[-1]) / len(self._members)
        return shares, common


def _places(booster: lgb.Booster) -> NDArray[np.int64]:
    unknown = sorted(set(booster.feature_name()) - set(FEATURES))
    if unknown:
        raise ValueError(
            f"the history model was trained on features that this version does not compute: {', '.join(unknown)}"
        )
    return np.array([FEATURES.index(name) for name in booster.feature_name()])


class HistoryModel:
    """Churn within the label window from a history. Thread-safe: prediction changes nothing."""

    def __init__(self, text: str, curve: Curve, base_rate: float, base_interval: tuple[float, float]) -> None:
        self._boosters = Boosters.parse(text)
        self._curve = curve
        self._base = base_rate
        self._base_interval = base_interval

    @property
    def boosters(self) -> Boosters:
        """The trees."""
        return self._boosters

    def raw(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Uncalibrated probabilities, float64 [n], of feature rows [n, WIDTH]."""
        return sigmoid(self._boosters.logits(rows))

    def score(self, history: History | None, as_of: int) -> HistoryScore:
        """The score at `as_of` (UTC milliseconds); for an anonymous visitor the base rate of the training shop."""
        row = features(history if history is not None else History(), as_of)
        values = {name: None if np.isnan(v) else float(v) for name, v in zip(FEATURES, row, strict=True)}
        if values[NEEDED] is None:
            return HistoryScore(self._base, self._base, *self._base_interval, values, np.zeros(WIDTH), known=False)
        # SHAP values of trees add up to the raw logit: one call gives both the score and its drivers.
        shares, common = self._boosters.shares(row)
        raw = float(sigmoid(shares.sum() + common))
        churn, low, high = self._curve.apply(raw)
        return HistoryScore(raw, churn, low, high, values, shares, known=True)

    @property
    def base_logit(self) -> float:
        """Logit of the base rate: where an unknown visitor starts."""
        return float(logit(self._base))
