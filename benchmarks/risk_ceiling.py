"""What lies between a fusion and the ceiling of the made-up shop: AUC on its test part of readers that know more than a model can.

    python benchmarks/risk_ceiling.py [--customers 8000] [--seed 1] [--json]

    understood    knows the kind of every line (which templates it is of), so that nothing is misread; learns from outcomes
    expected      the same, but learns from the true probabilities, without the noise of outcomes: what the words said allow
    behind        knows what is behind the conversation (reason, intensity, resolved, leaving), said or not; learns from outcomes
    ceiling       the true probabilities

All see the customer's past as the shop does; the first three are boosted trees that have learnt from the train part. A fusion
reads words in place of kinds: what it lacks to `understood` is lost in reading unknown sentences, what `understood` lacks to
`expected` in learning from so few outcomes, and what `expected` lacks to the ceiling was never said.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from risk.history.features import features
from risk.metrics import auc, bootstrap
from risk.types import ContactRecord, History
from risk.world.people import live
from risk.world.shop import TEST_SHARE
from risk.world.talk import MOODS, REASONS, speeches
from risk.world.words import PARTS, Part, Speech

KINDS = (*REASONS, *MOODS, "hint", "solved", "unsolved", "glad", "accepts", "protests", "resigned", "announce")
LEAVING = ("none", "hint", "announce")
TREES = {
    "objective": "cross_entropy", "learning_rate": 0.03, "num_leaves": 8, "min_data_in_leaf": 40, "feature_fraction": 0.5,
    "lambda_l2": 10.0, "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1, "seed": 1,
}  # fmt: skip
ROUNDS = 400

Floats = NDArray[np.float64]


class Noting(Speech):
    """A speech that notes the kind of each line that it is asked for."""

    def __init__(self, speech: Speech, said: list[str]) -> None:
        self._lines, self._products, self._said = speech._lines, speech._products, said

    def say(self, kind: str, slots: Mapping[str, str], random: np.random.Generator, *, typed: bool = True) -> str:
        """As the shop's people say it."""
        self._said.append(kind)
        return super().say(kind, slots, random, typed=typed)


@dataclass(frozen=True, slots=True)
class Rows:
    """Conversations with a known outcome: `past`, `shown` and `behind` are what readers may see of each."""

    past: Floats
    shown: Floats
    behind: Floats
    y: Floats
    p: Floats
    customer: NDArray[np.int64]

    def with_past(self, seen: str) -> Floats:
        """What a reader sees: the past beside `shown` or `behind`."""
        return np.hstack([self.past, getattr(self, seen)])


def rows(part: Part, customers: int, seed: int) -> Rows:
    """The same people as `staywell simulate shop` draws, with what nobody else sees of them."""
    said: list[str] = []
    speech: dict[str, Speech] = {language: Noting(plain, said) for language, plain in speeches(part).items()}
    past, shown, behind, y, p, customer = [], [], [], [], [], []
    for number in range(customers):
        said.clear()
        generator = np.random.default_rng([seed, PARTS.index(part), number])
        life = live(10_000 + number, f"{part}-{number}", speech, generator)
        ends = np.cumsum([0, *(len(talk.messages) for talk in life.talks)]).tolist()
        for place, (talk, (start, end)) in enumerate(zip(life.talks, pairwise(ends), strict=True)):
            if talk.left is None:
                continue
            contacts = tuple(ContactRecord(t.ended_at, t.ended_at, t.csat) for t in life.talks[:place])
            past.append(features(History(life.orders, life.returns, contacts), talk.ended_at))
            kinds, matter = Counter(said[start:end]), talk.matter
            shown.append([kinds[kind] for kind in KINDS])
            about = [matter.intensity, matter.resolved, LEAVING.index(matter.leaving)]
            behind.append([*(matter.reason == reason for reason in REASONS), *about])
            y.append(talk.left)
            p.append(talk.probability)
            customer.append(number)
    one, two, three, outcome, truth = (np.asarray(column, np.float64) for column in (past, shown, behind, y, p))
    return Rows(one, two, three, outcome, truth, np.array(customer))


def learnt(train: Floats, target: Floats, test: Floats) -> Floats:
    """Scores of `test` by boosted trees."""
    return np.asarray(lgb.train(TREES, lgb.Dataset(train, target), ROUNDS).predict(test, num_threads=1), np.float64)


def main() -> None:
    """A line a reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    size = round(given.customers * TEST_SHARE)
    train, test = rows("train", given.customers - size, given.seed), rows("test", size, given.seed)
    scores = {
        "understood": learnt(train.with_past("shown"), train.y, test.with_past("shown")),
        "expected": learnt(train.with_past("shown"), train.p, test.with_past("shown")),
        "behind": learnt(train.with_past("behind"), train.y, test.with_past("behind")),
        "ceiling": test.p,
    }
    found = {}
    for name, score in scores.items():
        found[name] = bootstrap(lambda i, s=score: auc(s[i], test.y[i]), test.customer).as_json()  # type: ignore[misc]
    if given.json:
        print(json.dumps({"n": len(test.y), "auc": found}))
        return
    print(f"{len(test.y)} conversations")
    for name, figure in found.items():
        print(f"{name:12} {figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})")


if __name__ == "__main__":
    main()
