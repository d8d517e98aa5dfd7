"""Off-policy evaluation: what another policy would have earned, judged from a log with propensities; or a refusal to say.

IPS (Horvitz and Thompson, 1952): mean of w·r. SNIPS (Swaminathan and Joachims, 2015): Σw·r / Σw. DR (Dudík, Langford and Li, 2011):
mean of q(x, π) + w·(r − q(x, a)), with q cross-fitted. w = π(a|x) / p, the propensity p as logged, never recomputed. Intervals are
normal, from influence functions summed by customer, so that many decisions about one customer count as one customer.

An estimate is refused when the effective sample size (Σw)²/Σw² is under 200, when the mean weight, which is 1 for a log that
covers the policy, is off by more than .1, or when a single weight reaches 50: then the log says next to nothing about the policy.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.errors import DataRefused
from risk.uplift.qini import Estimate

Floats = NDArray[np.float64]

LEAST_ESS: Final = 200.0
MEAN_WEIGHT: Final = 0.1
LARGEST_WEIGHT: Final = 50.0
DAY_MS: Final = 86_400_000
FOLDS: Final = 3
NORMAL: Final = 1.959963984540054
TREATMENTS: Final = ("offer", "escalate", "recommend")


@dataclass(frozen=True, slots=True)
class Logged:
    """One decision with its reward. `probabilities` and `values` are over `actions`, in order."""

    customer: str
    actions: tuple[str, ...]
    probabilities: tuple[float, ...]
    values: tuple[float, ...]
    action: str
    propensity: float
    reward: float
    features: Mapping[str, float]
    band: str | None = None
    holdout: bool = False
    forced: bool = False  # a rule decided: nothing was drawn
    id: str = ""  # the decision's


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer of `staywell evaluate policy`. Estimates are None when refused."""

    policy: str
    n: int
    customers: int
    ess: float
    mean_weight: float
    largest_weight: float
    logged: Estimate
    estimates: Mapping[str, Estimate] | None
    lead: Estimate | None  # doubly robust, over the logged policy on the same rows: what both share cancels out
    refused: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "policy": self.policy,
            "n": self.n,
            "customers": self.customers,
            "ess": self.ess,
            "mean_weight": self.mean_weight,
            "largest_weight": self.largest_weight,
            "logged": self.logged.as_json(),
            "estimates": None
            if self.estimates is None
            else {name: found.as_json() for name, found in self.estimates.items()},
            "lead": None if self.lead is None else self.lead.as_json(),
            "refused": list(self.refused),
        }


# --- policies that can be judged --------------------------------------------------------------------------------------


def kind_of(action: str) -> str:
    """The kind of an action's key: "offer:x" → "offer"."""
    return action.partition(":")[0]


def only(row: Logged, allowed: Callable[[str], bool]) -> Floats:
    """The logged policy confined to some actions; where none of them was possible, as logged."""
    chances = np.asarray(row.probabilities) * [allowed(action) for action in row.actions]
    return chances / chances.sum() if chances.sum() > 0 else np.asarray(row.probabilities)


def _greedy(row: Logged) -> Floats:
    chances = np.zeros(len(row.actions))
    chances[int(np.argmax(row.values))] = 1.0
    return chances


def _uniform(row: Logged) -> Floats:
    return np.full(len(row.actions), 1.0 / len(row.actions))


def _by_risk(row: Logged) -> Floats:
    """Treats whoever is in the high band, nobody else."""
    treats = row.band == "high"
    return only(row, lambda action: (kind_of(action) in TREATMENTS) == treats)


POLICIES: Final[Mapping[str, Callable[[Logged], Floats]]] = {
    "logged": lambda row: np.asarray(row.probabilities),
    "uniform": _uniform,
    "greedy": _greedy,
    "service": lambda row: only(row, lambda action: kind_of(action) not in TREATMENTS),
    "no-offers": lambda row: only(row, lambda action: kind_of(action) != "offer"),
    "risk": _by_risk,
}


# --- rewards ----------------------------------------------------------------------------------------------------------


def _money(outcomes: Sequence[Mapping[str, Any]], decision: Mapping[str, Any]) -> float:
    """Purchases minus refunds minus what the offer may cost, in the currency's unit."""
    earned = sum(float(o["value"] or 0) for o in outcomes if o["type"] == "purchase")
    lost = sum(float(o["value"] or 0) for o in outcomes if o["type"] == "refund")
    return earned - lost - float(decision.get("cost") or 0) / 100.0


def _share(kind: str) -> Callable[[Sequence[Mapping[str, Any]], Mapping[str, Any]], float]:
    return lambda outcomes, decision: float(any(o["type"] == kind for o in outcomes))


REWARDS: Final[Mapping[str, Callable[[Sequence[Mapping[str, Any]], Mapping[str, Any]], float]]] = {
    "value": _money,
    "purchase": _share("purchase"),
    "click": _share("click"),
    "accept": _share("accept"),
    "complaint": _share("complaint"),
}
# 1 when the customer ordered again within so many days, 0 when not; known once the log holds the matured label.
STAYED: Final[Mapping[str, str]] = {f"stayed_{days}": f"inactive_{days}" for days in (30, 60, 90)}
ALL_REWARDS: Final = (*REWARDS, *STAYED)


def read_log(path: Path, *, reward: str = "value", window_days: int = 30) -> list[Logged]:
    """Decisions with rewards from `staywell export both`, JSON lines.

    An outcome counts within `window_days` of its decision, and unless a later row supersedes it. A decision whose window was not
    over when the log was written (its latest ingestion) is left out: its reward is not known yet. The rewards `stayed_…` belong to
    all decisions of a conversation whose label has matured. Raises DataRefused with the line.
    """
    if reward not in ALL_REWARDS:
        raise DataRefused(f"unknown reward {reward!r}; known: {', '.join(ALL_REWARDS)}")
    rows: list[dict[str, Any]] = []
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    rows.append(_parse(line, number))
    except (OSError, UnicodeDecodeError, EOFError) as broken:
        raise DataRefused(f"{path.name} cannot be read: {broken}") from broken
    if not rows:
        raise DataRefused(f"{path.name} holds no decisions")
    if reward in STAYED:
        return _by_label(rows, STAYED[reward], path)
    written = max(max([row["ts_decision"], *(o["ts_ingested"] for o in row["outcomes"])]) for row in rows)
    window = window_days * DAY_MS
    known = [row for row in rows if row["ts_decision"] + window <= written]
    if not known:
        raise DataRefused(f"no decision in {path.name} is {window_days} days old: its outcomes are not known yet")
    return [_logged(row, REWARDS[reward], window) for row in known]


def _by_label(rows: Sequence[Mapping[str, Any]], label: str, path: Path) -> list[Logged]:
    stayed = {
        row.get("conversation_id"): 1.0 - float(outcome["value"] or 0.0)
        for row in rows
        for outcome in row["outcomes"]
        if outcome["type"] == label
    }
    known = [row for row in rows if row.get("conversation_id") in stayed]
    if not known:
        raise DataRefused(f"no decision in {path.name} has a matured {label} label yet")
    return [_logged(row, lambda _, decision: stayed[decision["conversation_id"]], 0) for row in known]


def _parse(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError("not an object")
        for name, kind in (("eligible", list), ("probabilities", list), ("values", list), ("action", str)):
            if not isinstance(row[name], kind):
                raise ValueError(f"{name} is not a {kind.__name__}")
        row["outcomes"] = row.get("outcomes", [])
        row["ts_decision"] = int(row["ts_decision"])
        chances = [float(chance) for chance in row["probabilities"]]
        if not len(chances) == len(row["eligible"]) == len(row["values"]) or row["action"] not in row["eligible"]:
            raise ValueError("actions, probabilities and values do not belong together")
        if not 0.0 < float(row["propensity"]) <= 1.0 or abs(math.fsum(chances) - 1.0) > 1e-6:
            raise ValueError("propensities are no probabilities")
        for outcome in row["outcomes"]:
            int(outcome["ts_event"]), int(outcome["ts_ingested"]), str(outcome["type"])
    except (ValueError, KeyError, TypeError, RecursionError) as broken:
        raise DataRefused(f"not a decision with its outcomes: {broken}", line=number) from broken
    return row


def _logged(
    row: Mapping[str, Any],
    reward: Callable[[Sequence[Mapping[str, Any]], Mapping[str, Any]], float],
    window: int,
) -> Logged:
    replaced = {outcome.get("supersedes") for outcome in row["outcomes"]}
    counted = [
        outcome
        for outcome in row["outcomes"]
        if outcome.get("id") not in replaced - {None} and outcome["ts_event"] <= row["ts_decision"] + window
    ]
    numbers = {
        name: float(value)
        for name, value in (row.get("features") or {}).items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    score = row.get("score")
    return Logged(
        customer=str(row.get("customer_key") or row.get("id")),
        actions=tuple(row["eligible"]),
        probabilities=tuple(float(chance) for chance in row["probabilities"]),
        values=tuple(float(value) for value in row["values"]),
        action=row["action"],
        propensity=float(row["propensity"]),
        reward=reward(counted, row),
        features=numbers | ({} if score is None else {"score": float(score)}),
        band=row.get("band"),
        holdout=bool(row.get("holdout")),
        forced=len(row["eligible"]) == 1 and bool(row.get("overrides")),
        id=str(row.get("id") or ""),
    )


# --- estimators -------------------------------------------------------------------------------------------------------


def evaluate(
    rows: Sequence[Logged], policy: str | Callable[[Logged], Floats], *, name: str | None = None, seed: int = 0
) -> Judged:
    """What `policy` (a name, or a function to probabilities over the row's actions) would have earned a decision.

    Raises DataRefused for an unknown name or an empty log.
    """
    if isinstance(policy, str):
        if policy not in POLICIES:
            raise DataRefused(f"unknown policy {policy!r}; known: {', '.join(POLICIES)}")
        name, chosen = policy, POLICIES[policy]
    else:
        name, chosen = name or "given", policy
    if not rows:
        raise DataRefused("the log is empty")
    target = [np.asarray(chosen(row), np.float64) for row in rows]
    own = np.asarray([chances[row.actions.index(row.action)] for row, chances in zip(rows, target, strict=True)])
    weights = own / np.asarray([row.propensity for row in rows])
    rewards = np.asarray([row.reward for row in rows])
    _, customer = np.unique([row.customer for row in rows], return_inverse=True)
    ess = effective_size(weights)
    refused = _refusals(weights, ess)
    estimates: dict[str, Estimate] | None = None
    lead: Estimate | None = None
    if not refused:
        direct, fitted = _model(rows, target, rewards, customer, seed)
        doubly = direct + weights * (rewards - fitted)
        snips = float((weights * rewards).sum() / weights.sum())
        estimates = {
            "ips": _mean(weights * rewards, customer),
            "snips": _around(snips, weights * (rewards - snips) / weights.mean(), customer),
            "dr": _mean(doubly, customer),
        }
        lead = _mean(doubly - rewards, customer)
    return Judged(
        policy=name,
        n=len(rows),
        customers=int(customer.max()) + 1,
        ess=ess,
        mean_weight=float(weights.mean()),
        largest_weight=float(weights.max()),
        logged=_mean(rewards, customer),
        estimates=estimates,
        lead=lead,
        refused=refused,
    )


def effective_size(weights: Floats) -> float:
    """Kish's effective sample size, (Σw)² / Σw²; 0 when all weights are 0."""
    squared = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squared if squared > 0 else 0.0


def _refusals(weights: Floats, ess: float) -> tuple[str, ...]:
    found = []
    if ess < LEAST_ESS:
        found.append("ess")
    if abs(float(weights.mean()) - 1.0) > MEAN_WEIGHT:
        found.append("mean_weight")
    if float(weights.max()) >= LARGEST_WEIGHT:
        found.append("largest_weight")
    return tuple(found)


def _mean(values: Floats, customer: NDArray[np.int64]) -> Estimate:
    return _around(float(values.mean()), values - values.mean(), customer)


def _around(value: float, influence: Floats, customer: NDArray[np.int64]) -> Estimate:
    """A mean with its normal interval; `influence` [n] is summed by customer before it is squared."""
    sums = np.bincount(customer, weights=influence)
    count = len(sums)
    correction = count / (count - 1) if count > 1 else 1.0
    error = math.sqrt(float((sums**2).sum()) * correction) / len(influence)
    return Estimate(value, value - NORMAL * error, value + NORMAL * error)


def _model(
    rows: Sequence[Logged], target: Sequence[Floats], rewards: Floats, customer: NDArray[np.int64], seed: int
) -> tuple[Floats, Floats]:
    """Expected reward under the target, and of the logged action, for each row, from a model fitted on other customers.

    The model is a ridge regression on standardised features and the kind of action, with products: short, and enough, since what
    it misses the weights put right.
    """
    kinds = sorted({kind_of(action) for row in rows for action in row.actions})
    names = sorted({name for row in rows for name in row.features})
    x = np.asarray([[row.features.get(name, 0.0) for name in names] for row in rows]).reshape(len(rows), len(names))
    spread = x.std(axis=0)
    x = np.clip((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0), -5.0, 5.0)

    def design(features: Floats, kind: Floats) -> Floats:
        products = (features[:, :, None] * kind[:, None, :]).reshape(len(features), -1)
        return np.hstack([np.ones((len(features), 1)), features, kind, products])

    def shares(row: Logged, chances: Floats) -> Floats:
        found = np.zeros(len(kinds))
        for action, chance in zip(row.actions, chances, strict=True):
            found[kinds.index(kind_of(action))] += chance
        return found

    wanted = np.asarray([shares(row, chances) for row, chances in zip(rows, target, strict=True)])
    taken = np.asarray([[float(kind_of(row.action) == kind) for kind in kinds] for row in rows])
    fold = np.random.default_rng(seed).permutation(int(customer.max()) + 1)[customer] % FOLDS
    direct, fitted = np.empty(len(rows)), np.empty(len(rows))
    for one in range(FOLDS):
        inside = fold == one
        if not inside.any() or inside.all():
            direct[inside] = fitted[inside] = rewards.mean()
            continue
        train = design(x[~inside], taken[~inside])
        penalty = np.eye(train.shape[1]) * max(1.0, 0.01 * len(train))
        penalty[0, 0] = 1e-9
        weights = np.linalg.solve(train.T @ train + penalty, train.T @ rewards[~inside])
        # Linear in the shares of the kinds, so the expectation over actions is one product.
        direct[inside] = design(x[inside], wanted[inside]) @ weights
        fitted[inside] = design(x[inside], taken[inside]) @ weights
    return direct, fitted
