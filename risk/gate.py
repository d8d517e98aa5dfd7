"""Whether a challenger may take the champion's place: every check must pass, and each says what it saw and what it allows.

Both models score the same turns of the same customers, from the same vectors and the same point in time; labels are what the log
has learned since. Intervals come from a bootstrap over customers that draws the same ones for both models (paired): a customer
with fifty turns is one witness, not fifty. Weights are those of the training set (`risk.dataset.treated`): rows left untreated,
by the inverse of their chance to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk.metrics import Figure, bootstrap
from risk.ope import Judged

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a challenger may cost. The defaults are those of docs/loop.md."""

    least_customers: int = 100  # of either outcome: with fewer nothing can be told
    ap_loss: float = 0.005
    brier_loss: float = 0.002
    slice_brier_loss: float = 0.02
    least_slice: int = 50  # customers; smaller slices are not judged
    false_alarms: float = 0.20  # share of conversations of customers who stay, alarmed at least once; or the champion's
    p95_ms: float = 20.0  # of one score
    value_loss: float = 0.05  # share of what a decision earns now that may be at stake


@dataclass(frozen=True, slots=True)
class Evidence:
    """The same n turns as both models see them.

    `champion`, `challenger`: calibrated churn [n]. `churned` [n] 0 or 1. `customer`, `conversation` [n] number them. `alarmed`,
    `alarmed_now` [n]: whether the band is high, the challenger's and the champion's. `slices`: name → value of each row.
    `latency_ms`: the challenger's processor time a turn, any length.
    """

    champion: Floats
    challenger: Floats
    churned: Floats
    weight: Floats
    customer: Ints
    conversation: Ints
    alarmed: NDArray[np.bool_]
    alarmed_now: NDArray[np.bool_]
    slices: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)
    latency_ms: Floats = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True)
class Check:
    """One condition. `figure` is what was measured, `limit` what it may be."""

    name: str
    passed: bool
    limit: float | None
    figure: Figure | None
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "name": self.name,
            "passed": self.passed,
            "limit": self.limit,
            "figure": None if self.figure is None else self.figure.as_json(),
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks of one challenger against one champion."""

    champion: str
    challenger: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether the challenger may be promoted."""
        return all(check.passed for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "champion": self.champion,
            "challenger": self.challenger,
            "passed": self.passed,
            "checks": [check.as_json() for check in self.checks],
        }


def gate(
    champion: str,
    challenger: str,
    evidence: Evidence,
    judged: Judged | None,
    *,
    limits: Limits | None = None,
    seed: int = 0,
) -> Verdict:
    """The verdict. `judged`: what the policy would earn on the challenger's bands (`risk.ope`), None where the log holds no rewards
    yet. A challenger that cannot be judged does not pass."""
    limits = limits or Limits()
    enough = _enough(evidence, limits)
    if not enough.passed:
        return Verdict(champion, challenger, (enough,))
    return Verdict(champion, challenger, (enough, *_checks(evidence, limits, seed), _value(judged, limits)))


def _enough(e: Evidence, limits: Limits) -> Check:
    kinds = {kind: len(np.unique(e.customer[e.churned == kind])) for kind in (1.0, 0.0)}
    fewest = min(kinds.values())
    detail = f"{kinds[1.0]} customers who left, {kinds[0.0]} who stayed; {limits.least_customers} of either are needed"
    return Check("evidence", fewest >= limits.least_customers, float(limits.least_customers), None, detail)


def _checks(e: Evidence, limits: Limits, seed: int) -> Iterator[Check]:
    def paired(measure: Callable[[Floats, Floats, Floats], float]) -> Figure:
        def lead(rows: Ints) -> float:
            y, w = e.churned[rows], e.weight[rows]
            return measure(e.challenger[rows], y, w) - measure(e.champion[rows], y, w)

        return bootstrap(lead, e.customer, seed=seed)

    finite = bool(np.isfinite(e.challenger).all() and ((e.challenger >= 0) & (e.challenger <= 1)).all())
    yield Check("probabilities", finite, None, None, "every score is a probability" if finite else "some are none")
    if not finite:
        return
    ap = paired(weighted_ap)
    yield Check("ap", ap.low >= -limits.ap_loss, -limits.ap_loss, ap, "challenger − champion, lower bound")
    squared = paired(weighted_brier)
    yield Check("brier", squared.high <= limits.brier_loss, limits.brier_loss, squared, "upper bound of the loss")
    yield _worst_slice(e, limits)
    alarms = bootstrap(lambda rows: _false_alarms(e, e.alarmed, rows), e.customer, seed=seed)
    budget = max(limits.false_alarms, _false_alarms(e, e.alarmed_now, np.arange(len(e.churned))))
    yield Check("false_alarms", alarms.value <= budget, budget, alarms, "of conversations of those who stay")
    slow = float(np.quantile(e.latency_ms, 0.95)) if e.latency_ms.size else float("nan")
    yield Check("p95_ms", slow <= limits.p95_ms, limits.p95_ms, Figure(slow, slow, slow), "of one score")


def weighted_ap(scores: Floats, labels: Floats, weights: Floats) -> float:
    """Average precision with a weight a row: Σ (Rₙ − Rₙ₋₁) Pₙ over distinct thresholds; NaN without a positive."""
    order = np.argsort(-scores, kind="stable")
    s, hit, w = scores[order], (labels * weights)[order], weights[order]
    if not hit.sum():
        return float("nan")
    last = np.r_[s[1:] != s[:-1], True]
    hits, seen = np.cumsum(hit)[last], np.cumsum(w)[last]
    return float((np.diff(np.r_[0.0, hits]) * hits / np.maximum(seen, 1e-12)).sum() / hit.sum())


def weighted_brier(probabilities: Floats, labels: Floats, weights: Floats) -> float:
    """Mean squared error with a weight a row."""
    return float(np.average((probabilities - labels) ** 2, weights=weights))


def _worst_slice(e: Evidence, limits: Limits) -> Check:
    worst: tuple[float, str] | None = None
    for name, values in e.slices.items():
        for value in np.unique(values):
            rows = np.flatnonzero(values == value)
            if len(np.unique(e.customer[rows])) < limits.least_slice:
                continue
            y, w = e.churned[rows], e.weight[rows]
            loss = weighted_brier(e.challenger[rows], y, w) - weighted_brier(e.champion[rows], y, w)
            if worst is None or loss > worst[0]:
                worst = (loss, f"{name}={value}, {len(rows)} rows")
    if worst is None:
        return Check("worst_slice", True, limits.slice_brier_loss, None, "no slice is large enough to be judged")
    loss, where = worst
    return Check(
        "worst_slice", loss <= limits.slice_brier_loss, limits.slice_brier_loss, Figure(loss, loss, loss), where
    )


def _false_alarms(e: Evidence, alarmed: NDArray[np.bool_], rows: Ints) -> float:
    """Share of the conversations, of customers who stayed, that are alarmed at least once; each counts once."""
    stayed = rows[e.churned[rows] == 0.0]
    if not stayed.size:
        return float("nan")
    return len(np.unique(e.conversation[stayed[alarmed[stayed]]])) / len(np.unique(e.conversation[stayed]))


def _value(judged: Judged | None, limits: Limits) -> Check:
    if judged is None:
        return Check("value", False, None, None, "the log holds no rewards to judge by")
    if judged.lead is None:
        return Check("value", False, None, None, f"the log cannot tell: {', '.join(judged.refused)}")
    lead, floor = judged.lead, -limits.value_loss * abs(judged.logged.value)
    detail = f"a decision, over {judged.logged.value:.4f} as it is; effective sample {judged.ess:.0f}"
    return Check("value", lead.low >= floor, floor, Figure(lead.value, lead.low, lead.high), detail)
