"""Risk bands: thresholds on the calibrated score. They stand beside a model, never inside it, and have their own version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from risk.errors import ArtefactRefused
from risk.types import Band


@dataclass(frozen=True, slots=True)
class Bands:
    """`elevated` ≤ score < `high` is the middle band."""

    elevated: float
    high: float
    version: str
    fitted_on: str  # what the thresholds were chosen from
    alarms: Mapping[str, float] = field(default_factory=dict)  # α → θ_α on dissatisfaction, see risk.early_warning

    def __post_init__(self) -> None:
        if not 0 < self.elevated < self.high < 1:
            raise ArtefactRefused("bands need 0 < elevated < high < 1")

    def of(self, churn: float) -> Band:
        """The band of a calibrated score."""
        return "high" if churn >= self.high else "elevated" if churn >= self.elevated else "low"

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @staticmethod
    def load(path: Path) -> Bands:
        """Read from JSON; raises `ArtefactRefused`."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            alarms = {str(alpha): float(theta) for alpha, theta in values.get("alarms", {}).items()}
            return Bands(
                float(values["elevated"]),
                float(values["high"]),
                str(values["version"]),
                str(values["fitted_on"]),
                alarms,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as broken:
            raise ArtefactRefused(f"bands in {path.name} cannot be read: {broken}") from broken
