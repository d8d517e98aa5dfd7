"""A small world in which everything is known: who would leave, whom an offer or a person keeps, what that costs.

Customers are drawn with features, a probability of staying when left alone, and a true effect for each treatment. The effect
depends on other things than the risk: price moves some, a person helps those whose trouble is service, and some are better left
alone. Policies act on what they can see; the learned one is retrained each round from its own log, propensities and all, through
the same code as a shop's log. Numbers here show that the loop works, never how a shop will do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from risk.errors import DataRefused
from risk.ope import Logged
from risk.uplift.model import UpliftModel
from risk.uplift.qini import Estimate
from risk.uplift.train import train

Floats = NDArray[np.float64]

ACTIONS: Final = ("reply:service", "offer:voucher", "escalate")
FEATURES: Final = ("recency", "orders", "discount_share", "complaints", "dissatisfaction")
COSTS: Final = np.asarray([0.0, 8.0, 5.0])  # per customer treated
FLOOR: Final = 0.02
TEMPERATURE: Final = 3.0
JUDGED_ON: Final = 20_000  # customers of the population that policies are compared on
POLICIES: Final = ("rules", "risk", "random", "learned")


@dataclass(frozen=True, slots=True)
class Customers:
    """A round's customers. `effects` [n, 3] are the true ones, of each action; `stay` [n] the truth when left alone."""

    x: Floats
    stay: Floats
    effects: Floats
    value: Floats  # margin of the year ahead
    risk: Floats  # what the risk model says: right on average, with noise


@dataclass(frozen=True, slots=True)
class Round:
    """What each policy is worth a customer at the start of a round, and what the best possible one would be.

    Worth is the true expectation over a fixed population that no policy has met; its interval is that of the population's mean.
    """

    number: int
    value: Mapping[str, Estimate]
    best: float
    treated: Mapping[str, float]
    model: str | None  # the uplift model that the learned policy used


def draw_customers(n: int, random: np.random.Generator) -> Customers:
    """New customers of the same world."""
    recency = random.exponential(40.0, n)
    orders = 1.0 + random.poisson(3.0, n)
    discount_share = random.beta(1.2, 2.0, n)
    complaints = random.poisson(0.6, n).astype(np.float64)
    dissatisfaction = random.beta(2.0, 3.0, n)
    stay = _sigmoid(1.4 - 0.02 * recency + 0.15 * orders - 1.6 * dissatisfaction)
    offer = np.where(discount_share > 0.45, 0.30, -0.03)
    person = np.where((complaints >= 1) & (dissatisfaction > 0.4), 0.25, -0.02)
    effects = np.column_stack([np.zeros(n), offer, person])
    effects = np.clip(stay[:, None] + effects, 0.01, 0.99) - stay[:, None]
    return Customers(
        x=np.column_stack([recency, orders, discount_share, complaints, dissatisfaction]),
        stay=stay,
        effects=effects,
        value=np.asarray(20.0 + 6.0 * orders, np.float64),
        risk=_sigmoid(np.log((1 - stay) / stay) + random.normal(0.0, 0.4, n)),
    )


def chances(values: Floats) -> Floats:
    """Softmax with a floor for each row, float [n, k]: the policy's own rule."""
    weights = np.exp((values - values.max(axis=1, keepdims=True)) / TEMPERATURE)
    return np.asarray(
        FLOOR + (1.0 - values.shape[1] * FLOOR) * weights / weights.sum(axis=1, keepdims=True), np.float64
    )


def believed(policy: str, people: Customers, model: UpliftModel | None) -> Floats:
    """What a policy believes each action to be worth, float [n, 3]."""
    n = len(people.stay)
    if policy == "random":
        return np.zeros((n, 3))
    if policy == "risk":  # the usual way: whoever is likely to leave gets the voucher
        return np.column_stack([np.zeros(n), np.where(people.risk > 0.45, 30.0, -30.0), np.full(n, -30.0)])
    if policy == "rules" or model is None:  # a fixed table by risk band, as before anything is learned
        high = people.risk > 0.45
        table = np.column_stack([np.zeros(n), np.where(high, 0.06, 0.0), np.where(high, 0.08, 0.005)])
    else:
        columns = dict(zip((*FEATURES, "score"), [*people.x.T, people.risk], strict=True))
        found = model.predict(np.column_stack([columns[name] for name in model.features]))
        zero = np.zeros(n)
        table = np.column_stack([zero, found.get("offer", zero), found.get("escalate", zero)])
    return np.asarray(table * people.value[:, None] - COSTS, np.float64)


def run(
    *, rounds: int = 5, customers: int = 4000, seed: int = 0, report: Callable[[str, int, int], None] | None = None
) -> list[Round]:
    """Rounds of the loop: the learned policy serves new customers, logs, and is trained again on all it has logged."""
    random = np.random.default_rng(seed)
    everybody = draw_customers(JUDGED_ON, np.random.default_rng([seed, 1]))
    log: list[Logged] = []
    model: UpliftModel | None = None
    done: list[Round] = []
    for number in range(1, rounds + 1):
        people = draw_customers(customers, random)
        value: dict[str, Estimate] = {}
        treated: dict[str, float] = {}
        for policy in POLICIES:
            shares = chances(believed(policy, everybody, model if policy == "learned" else None))
            value[policy] = _mean((shares * _worth(everybody)).sum(axis=1))
            treated[policy] = float(shares[:, 1:].sum(axis=1).mean())
        worth = believed("learned", people, model)
        shares = chances(worth)
        taken = (random.random(customers)[:, None] >= np.cumsum(shares, axis=1)).sum(axis=1).clip(0, len(ACTIONS) - 1)
        stayed = random.random(customers) < people.stay + people.effects[np.arange(customers), taken]
        log += _logged(people, worth, shares, taken, stayed, number)
        done.append(
            Round(
                number,
                value,
                float(_worth(everybody).max(axis=1).mean()),
                treated,
                None if model is None else model.version,
            )
        )
        try:
            model = train(log, seed=seed)[0]
        except DataRefused:
            model = None  # not enough to learn from yet
        if report is not None:
            report("rounds", number, rounds)
    return done


def as_json(rounds: Sequence[Round]) -> dict[str, Any]:
    """The answer of `staywell simulate`."""
    return {
        "rounds": [
            {
                "round": one.number,
                "value": {name: found.as_json() for name, found in one.value.items()},
                "best_possible": one.best,
                "treated_share": dict(one.treated),
                "uplift_model": one.model,
            }
            for one in rounds
        ]
    }


def _logged(
    people: Customers, worth: Floats, shares: Floats, taken: NDArray[np.int64], stayed: NDArray[np.bool_], number: int
) -> list[Logged]:
    names = (*FEATURES, "score")
    return [
        Logged(
            customer=f"{number}-{n}",
            actions=ACTIONS,
            probabilities=tuple(shares[n].tolist()),
            values=tuple(worth[n].tolist()),
            action=ACTIONS[taken[n]],
            propensity=float(shares[n, taken[n]]),
            reward=float(stayed[n]),
            features=dict(zip(names, [*people.x[n].tolist(), float(people.risk[n])], strict=True)),
            band="high" if people.risk[n] > 0.45 else "low",
        )
        for n in range(len(stayed))
    ]


def _worth(people: Customers) -> Floats:
    """The true expected value of each action for each customer, float [n, 3]."""
    return np.asarray((people.stay[:, None] + people.effects) * people.value[:, None] - COSTS, np.float64)


def _mean(earned: Floats) -> Estimate:
    error = 1.96 * float(earned.std(ddof=1)) / float(np.sqrt(len(earned)))
    return Estimate(float(earned.mean()), float(earned.mean()) - error, float(earned.mean()) + error)


def _sigmoid(values: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-values)), np.float64)
