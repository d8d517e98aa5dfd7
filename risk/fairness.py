"""How offers, people and alarms fall on groups of customers, from the decision log, with intervals and the largest difference.

Measured with fairlearn's MetricFrame. A difference between groups is no proof of unfairness: groups differ in what they need. It is
a question that somebody must answer, so each rate comes with its n, and small groups are named and not judged.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.errors import DataRefused, ExtraMissing
from risk.metrics import Figure

UNSAID: Final = "unsaid"  # the shop has not said which group a customer belongs to: nothing to be compared with
LEAST: Final = 30  # customers of a group, below which it is named and not judged
NORMAL: Final = 1.959963984540054
DAY: Final = 86_400_000

Floats = NDArray[np.float64]
Row = Mapping[str, Any]


def _tenure(row: Row) -> str:
    days = (row.get("features") or {}).get("tenure_days")
    if not isinstance(days, int | float) or not math.isfinite(days):
        return "unknown"
    return "under 90 days" if days < 90 else "under a year" if days < 365 else "a year or more"


GROUPS: Final[Mapping[str, Callable[[Row], str]]] = {
    "language": lambda row: "zh" if str(row.get("locale", "")).lower().startswith("zh") else "en",
    "channel": lambda row: str(row.get("channel") or "unknown"),
    "verified": lambda row: "yes" if (row.get("features") or {}).get("policy.verified") else "no",
    "tenure": _tenure,
    "group": lambda row: str((row.get("versions") or {}).get("group") or UNSAID),
}


@dataclass(frozen=True, slots=True)
class Share:
    """One group's rate over its customers; None where too few."""

    group: str
    customers: int
    rate: Figure | None


@dataclass(frozen=True, slots=True)
class Measured:
    """A rate by group, and the largest difference between two groups that are large enough (None with fewer than two)."""

    name: str
    shares: tuple[Share, ...]
    difference: float | None
    within: float | None = None  # the bound that the shop's rule sets, where the log holds one

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        bound = {} if self.within is None else {"within": self.within}
        return bound | {
            "groups": {
                s.group: {"customers": s.customers, "rate": None if s.rate is None else s.rate.as_json()}
                for s in self.shares
            },
            "difference": None if self.difference is None else round(self.difference, 4),
        }


def measure(rows: Sequence[Row], by: str, *, label: str = "inactive_90") -> dict[str, Measured]:
    """Rates of customers by the groups of `by`, a key of `GROUPS`.

    `offered`; `escalated` by the policy; `alarmed`, in the high band at least once; and `false_alarms`, alarmed among those with a
    matured label who stayed. Raises `DataRefused`, and `ExtraMissing` without fairlearn.
    """
    if by not in GROUPS:
        raise DataRefused(f"unknown grouping {by!r}; known: {', '.join(GROUPS)}")
    try:
        from fairlearn.metrics import MetricFrame, demographic_parity_difference
    except ImportError as missing:
        raise ExtraMissing("measuring fairness needs fairlearn: pip install 'staywell[train]'") from missing
    people = _customers(rows, GROUPS[by], label)
    if not people:
        raise DataRefused("the log holds no decisions")
    found = {}
    for name in ("offered", "escalated", "alarmed", "false_alarms"):
        seen = [(p["group"], p["alarmed"] if name == "false_alarms" else p[name]) for p in people if _counts(p, name)]
        if not seen:
            found[name] = Measured(name, (), None)
            continue
        groups, hits = [group for group, _ in seen], np.asarray([hit for _, hit in seen], np.float64)
        frame = MetricFrame(
            metrics={"rate": lambda _true, pred: float(np.mean(pred)), "n": lambda true, _pred: len(true)},
            y_true=np.zeros(len(hits)),
            y_pred=hits,
            sensitive_features=np.asarray(groups),
        )
        shares = tuple(_share(str(group), row["rate"], int(row["n"])) for group, row in frame.by_group.iterrows())
        judged = [share.group for share in shares if share.rate is not None and share.group != UNSAID]
        large = np.isin(groups, judged)
        difference = None
        if len(judged) > 1:
            named = np.asarray(groups)[large]
            difference = float(demographic_parity_difference(hits[large], hits[large], sensitive_features=named))
        found[name] = Measured(name, shares, difference, _bound(rows, by) if name == "offered" else None)
    return found


def _bound(rows: Sequence[Row], by: str) -> float | None:
    """The newest bound on offer rates that a decision was made under."""
    rules = (str((row.get("versions") or {}).get("fairness") or "") for row in reversed(rows))
    newest = next((rule for rule in rules if rule), "") if by == "group" else ""
    try:
        return float(newest.rpartition(" within ")[2]) if newest else None
    except ValueError:
        return None


def _counts(person: Mapping[str, Any], name: str) -> bool:
    return name != "false_alarms" or person["stayed"] is True


def _share(group: str, rate: float, n: int) -> Share:
    """With Wilson's interval (1927)."""
    if n < LEAST:
        return Share(group, n, None)
    centre = (rate + NORMAL**2 / (2 * n)) / (1 + NORMAL**2 / n)
    half = NORMAL / (1 + NORMAL**2 / n) * math.sqrt(rate * (1 - rate) / n + NORMAL**2 / (4 * n * n))
    return Share(group, n, Figure(float(rate), max(0.0, centre - half), min(1.0, centre + half)))


def _customers(rows: Sequence[Row], group: Callable[[Row], str], label: str) -> list[dict[str, Any]]:
    """One row a customer: a customer who writes often is one customer. The group is that of the last decision."""
    people: dict[str, dict[str, Any]] = {}
    for row in rows:
        one = people.setdefault(
            str(row["customer_key"]), {"offered": False, "escalated": False, "alarmed": False, "stayed": None}
        )
        forced = bool(row.get("overrides")) and len(row.get("eligible") or ()) == 1
        one["group"] = group(row)
        one["offered"] |= row["kind"] == "offer"
        one["escalated"] |= row["kind"] == "escalate" and not forced
        one["alarmed"] |= row.get("band") == "high"
        for outcome in row.get("outcomes") or ():
            if outcome.get("type") == label and outcome.get("value") in (0, 1):
                one["stayed"] = outcome["value"] == 0
    return list(people.values())


def read(path: Path) -> list[Row]:
    """Decisions with outcomes from `staywell export both`, JSON lines; raises `DataRefused` with the line."""
    return list(_rows(path))


def _rows(path: Path) -> Iterator[Row]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                    row["customer_key"], row["kind"]
                except (ValueError, KeyError, TypeError, RecursionError) as broken:
                    raise DataRefused(f"not a decision: {broken}", line=number) from broken
                yield row
    except (OSError, UnicodeDecodeError, EOFError) as broken:
        raise DataRefused(f"{path.name} cannot be read: {broken}") from broken
