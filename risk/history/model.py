"""The history model as it is served: a LightGBM text model, its calibration curve, and what moved one score."""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from risk.calibration import Curve, logit, sigmoid
from risk.history.features import FEATURES, features
from risk.types import History

# Without a date there is no "recency": such a customer is as unknown as an anonymous visitor.
NEEDED = "recency_days"


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


class HistoryModel:
    """Churn within the label window from a history. Thread-safe: prediction changes nothing."""

    def __init__(self, booster_text: str, curve: Curve, base_rate: float, base_interval: tuple[float, float]) -> None:
        self._booster = lgb.Booster(model_str=booster_text)
        if tuple(self._booster.feature_name()) != FEATURES:
            raise ValueError("the history model was trained on other features than this version computes")
        self._curve = curve
        self._base = base_rate
        self._base_interval = base_interval

    def raw(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Uncalibrated probabilities, float64 [n], of feature rows [n, WIDTH]."""
        return np.asarray(self._booster.predict(rows, num_threads=1), dtype=np.float64)

    def score(self, history: History | None, as_of: int) -> HistoryScore:
        """The score at `as_of` (UTC milliseconds); for an anonymous visitor the base rate of the training shop."""
        row = features(history if history is not None else History(), as_of)
        values = {name: None if np.isnan(v) else float(v) for name, v in zip(FEATURES, row, strict=True)}
        if values[NEEDED] is None:
            return HistoryScore(
                self._base, self._base, *self._base_interval, values, np.zeros(len(FEATURES)), known=False
            )
        # SHAP values of trees add up to the raw logit: one call gives both the score and its drivers.
        shares = np.asarray(self._booster.predict(row[None, :], pred_contrib=True, num_threads=1), dtype=np.float64)[0]
        raw = float(sigmoid(shares.sum()))
        churn, low, high = self._curve.apply(raw)
        return HistoryScore(raw, churn, low, high, values, shares[:-1], known=True)

    @property
    def base_logit(self) -> float:
        """Logit of the base rate: where an unknown visitor starts."""
        return float(logit(self._base))
