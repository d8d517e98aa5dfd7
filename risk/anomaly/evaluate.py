"""How well injected abusers stand out among customers whom the tables have not seen, and how many of those are wrongly gated.

Half of the customers teach the tables, the other half are measured: as they are, and each of a sample once more with the behaviour
of an abuser added. An isolation forest taught by the same rows stands beside, where scikit-learn is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from risk.anomaly.detector import Detector
from risk.anomaly.signals import DAY, signals
from risk.anomaly.train import fit, population
from risk.errors import DataRefused
from risk.metrics import auc, bootstrap
from risk.types import ContactRecord, History, OrderRecord, ReturnRecord

Floats = NDArray[np.float64]

INJECTED: Final = 100  # of each kind, at most
LEAST: Final = 20  # customers to measure on


def _stamps(rng: Generator, now: int, count: int, days: float) -> list[int]:
    return sorted(now - int(offset * DAY) for offset in rng.uniform(0, days, count))


def _ordered(history: History, rng: Generator, now: int, count: int, days: float, **more: Any) -> History:
    usual = [o.total for o in history.orders if o.total > 0] or [2_000]
    new = tuple(
        OrderRecord(f"injected-{i}", at, at, int(rng.choice(usual)), 1, 1, **more)
        for i, at in enumerate(_stamps(rng, now, count, days))
    )
    return replace(history, orders=(*history.orders, *new))


def burst(history: History, rng: Generator, now: int) -> History:
    """Five to ten orders within three days."""
    return _ordered(history, rng, now, int(rng.integers(5, 11)), 3)


def returner(history: History, rng: Generator, now: int) -> History:
    """Four to seven orders within two months, nearly all of them sent back."""
    grown = _ordered(history, rng, now, int(rng.integers(4, 8)), 60)
    new = [o for o in grown.orders if o.order_no.startswith("injected")]
    back = tuple(
        ReturnRecord(o.order_no, min(o.ts_event + 3 * DAY, now), min(o.ts_event + 3 * DAY, now), o.total)
        for o in new
        if rng.random() < 0.9
    )
    return replace(grown, returns=(*history.returns, *back))


def coupons(history: History, rng: Generator, now: int) -> History:
    """Six to ten orders within two months, each with a coupon."""
    return _ordered(history, rng, now, int(rng.integers(6, 11)), 60, coupon=True)


def canceller(history: History, rng: Generator, now: int) -> History:
    """Four to seven orders within a month, all of them cancelled."""
    return _ordered(history, rng, now, int(rng.integers(4, 8)), 30, cancelled=True)


def complainer(history: History, rng: Generator, now: int) -> History:
    """Five to nine conversations within a month, half of them until a person came."""
    new = tuple(
        ContactRecord(at, at, escalated=bool(rng.random() < 0.5))
        for at in _stamps(rng, now, int(rng.integers(5, 10)), 28)
    )
    return replace(history, contacts=(*history.contacts, *new))


def newcomer(history: History, rng: Generator, now: int) -> History:
    """A fresh account: four to seven orders within ten days, half of them sent back."""
    usual = History(orders=tuple(o for o in history.orders[:1]))
    grown = _ordered(usual, rng, now, int(rng.integers(4, 8)), 10)
    new = grown.orders[len(usual.orders) :]
    back = tuple(ReturnRecord(o.order_no, now, now, o.total) for o in new if rng.random() < 0.5)
    return History(orders=new, returns=back)


KINDS: Final[dict[str, Callable[[History, Generator, int], History]]] = {
    "burst": burst, "returner": returner, "coupons": coupons, "canceller": canceller, "complainer": complainer,
    "newcomer": newcomer,
}  # fmt: skip


def figures(histories: Mapping[str, History], seed: int) -> dict[str, Any]:
    """`{n, injected, auc, false_gate_rate, detected, kinds: {kind: {auc, detected}}, isolation_forest}`, with 95 % intervals.

    `detected`: share of the injected that the gate stops. `isolation_forest`: the same figures of the forest, or null.
    Raises `DataRefused` on too few customers.
    """
    now = max((o.ts_event for h in histories.values() for o in h.orders), default=0)
    names = np.array(sorted(histories))
    rng = np.random.default_rng(seed)
    teaches = rng.permutation(len(names)) < len(names) / 2
    taught, _ = population({name: histories[name] for name in names[teaches]}, now)
    detector = fit(taught)
    others = {name: histories[name] for name in names[~teaches]}
    ordinary, customers = population(others, now)
    people = [others[name] for name in sorted(others)]
    if len(people) < LEAST:
        raise DataRefused(f"{len(people)} customers are too few to measure on: it takes {LEAST}")
    injected = {
        kind: np.stack([
            signals(inject(people[i], rng, now), now)
            for i in rng.choice(len(people), min(INJECTED, len(people)), replace=False)
        ])
        for kind, inject in KINDS.items()
    }  # fmt: skip
    limit = _limit(detector)
    found = _measured(detector.scores, limit, ordinary, customers, injected, seed)
    return {
        "n": len(people),
        "injected": sum(len(rows) for rows in injected.values()),
        **found,
        "isolation_forest": _forest(taught, ordinary, customers, injected, seed),
    }


def _limit(detector: Detector) -> float:
    """The lowest score that the gate stops."""
    shares = -np.log10(detector.total.share)
    return float(np.interp(-np.log10(detector.gate), shares, detector.total.points))


def _measured(
    score: Callable[[Floats], Floats],
    limit: float,
    ordinary: Floats,
    customers: NDArray[np.int64],
    injected: Mapping[str, Floats],
    seed: int,
) -> dict[str, Any]:
    usual = score(ordinary)
    parts = {kind: score(rows) for kind, rows in injected.items()}

    def against(found: Floats) -> dict[str, Any]:
        scores, labels = np.r_[usual, found], np.r_[np.zeros(len(usual)), np.ones(len(found))]
        groups = np.r_[customers, -1 - np.arange(len(found))]
        return {
            "auc": bootstrap(lambda rows: auc(scores[rows], labels[rows]), groups, seed=seed).as_json(),
            "detected": bootstrap(
                lambda rows: float((found[rows] >= limit).mean()), np.arange(len(found)), seed=seed
            ).as_json(),
        }

    gated = bootstrap(lambda rows: float((usual[rows] >= limit).mean()), customers, seed=seed)
    return {
        **against(np.concatenate(list(parts.values()))),
        "false_gate_rate": gated.as_json(),
        "kinds": {kind: against(found) for kind, found in parts.items()},
    }


def _forest(
    taught: Floats, ordinary: Floats, customers: NDArray[np.int64], injected: Mapping[str, Floats], seed: int
) -> dict[str, Any] | None:
    try:
        from sklearn.ensemble import IsolationForest
    except ImportError:
        return None
    known = np.nan_to_num(taught)
    forest = IsolationForest(n_estimators=300, random_state=seed, n_jobs=1).fit(known)

    def score(rows: Floats) -> Floats:
        return np.asarray(-forest.score_samples(np.nan_to_num(rows)))

    limit = float(np.quantile(score(taught), 0.99))
    return _measured(score, limit, ordinary, customers, injected, seed)
