"""Which conversations a person should look at: labels that do not look right, and turns from whose label most would be learnt.

Both need scores of a model that has not been trained on the cases: the champion's, or a challenger's on held customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from risk.errors import ExtraMissing

Floats = NDArray[np.float64]

REDRAWS: Final = 20
POOL: Final = 5  # how many of the most uncertain compete for each place of the list


@dataclass(frozen=True, slots=True)
class Noise:
    """Labels that disagree with a confident model. `share`: how many; `chance`: how many would if every label were right, since
    leaving is a matter of chance; `suspects`: their rows, worst first."""

    share: float
    chance: float
    suspects: tuple[int, ...]


def label_noise(churn: Floats, left: Floats, *, seed: int = 0) -> Noise:
    """Confident learning (Northcutt, Jiang and Chuang, 2021) over probabilities [n] and labels [n].

    It was made for labels that somebody could know. Whether a customer comes back nobody could, so the same is done over labels
    drawn from the probabilities themselves: only what exceeds `chance` speaks of wrong labels, or of a wrong model. Needs the
    package cleanlab (extra `train`); raises `ExtraMissing` without it. With labels of one kind there is nothing to say.
    """
    if len(np.unique(left)) < 2:
        return Noise(0.0, 0.0, ())
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as missing:
        raise ExtraMissing("the report on labels needs cleanlab: pip install 'staywell[train]'") from missing
    both = np.column_stack([1.0 - churn, churn])

    def issues(labels: Floats) -> tuple[int, ...]:
        if len(np.unique(labels)) < 2:
            return ()
        found = find_label_issues(labels.astype(np.int64), both, return_indices_ranked_by="self_confidence", n_jobs=1)
        return tuple(int(row) for row in found)

    random = np.random.default_rng(seed)
    by_chance = [len(issues((random.random(len(churn)) < churn).astype(float))) for _ in range(REDRAWS)]
    suspects = issues(left)
    return Noise(len(suspects) / len(left), float(np.mean(by_chance)) / len(left), suspects)


def worth_labelling(churn: Floats, vectors: Floats, count: int) -> list[int]:
    """Rows to ask a person about: uncertain ones that are unlike each other.

    `churn` [n], `vectors` [n, d] of unit length. Of the `POOL` × `count` rows nearest to .5, the most uncertain comes first, and
    then, over and over, the one that is farthest from all that were chosen (greedy k-centre; Sener and Savarese, 2018).
    """
    uncertain = np.argsort(np.abs(churn - 0.5), kind="stable")[: POOL * count]
    if not uncertain.size:
        return []
    chosen = [0]
    nearest = _distance(vectors[uncertain], vectors[uncertain[0]])
    while len(chosen) < min(count, len(uncertain)):
        nearest[chosen] = -1.0
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, _distance(vectors[uncertain], vectors[uncertain[chosen[-1]]]))
    return [int(uncertain[place]) for place in chosen]


def _distance(rows: Floats, one: Floats) -> Floats:
    return np.asarray(1.0 - rows @ one, np.float64)
