"""Early warning: how often, how early, and at what price in false alarms a conversation that turns bad is seen.

The event of a bad conversation is the second of two dissatisfied labelled turns in a row. An alarm is the first turn whose
score reaches θ. θ_α is the smallest threshold whose false-alarm rate per clean conversation is ≤ α on validation data.
DR(α, h) is the share of bad conversations alarmed at least h turns before their event; the lead is how many turns before.

Clean conversations are cut at event times drawn from the bad ones. Without equal exposure long conversations win by having
more chances: in a bad conversation only the turns before the event count, in a clean one all of them would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk.conversation.data import DISSATISFIED
from risk.conversation.readings import Readings
from risk.metrics import Figure, bootstrap

Floats = NDArray[np.float64]

ALPHAS = (0.05, 0.10, 0.20)
LEADS = (0, 1, 2)
DRAWS = 20  # cuts drawn for each clean conversation


@dataclass(frozen=True, slots=True)
class Exposure:
    """The scores of one conversation up to where it counts. `event`: place of the event among the labelled turns, or None."""

    scores: Floats
    event: int | None

    def lead(self, threshold: float) -> int | None:
        """Turns from the first alarm to the event; None without an alarm (or in a clean conversation, where 0 means one)."""
        hits = np.flatnonzero(self.scores >= threshold)
        if not hits.size:
            return None
        return 0 if self.event is None else self.event - int(hits[0])


def event_of(levels: Sequence[int]) -> int | None:
    """Place of the second of two dissatisfied turns in a row."""
    for i in range(1, len(levels)):
        if levels[i] == levels[i - 1] == DISSATISFIED:
            return i
    return None


def exposures(readings: Readings, seed: int) -> dict[int, list[Exposure]]:
    """For each conversation with labelled turns, by its number, its exposures: one for a bad one, `DRAWS` cuts for a clean one."""
    turns = readings.turns_only()
    found: list[tuple[int, Floats, int | None]] = []
    for number in np.unique(turns.conversation):
        rows = np.flatnonzero(turns.conversation == number)
        found.append((int(number), turns.bad[rows], event_of(turns.truth[rows].tolist())))
    events = [event for _, _, event in found if event is not None]
    rng = np.random.default_rng(seed)
    result: dict[int, list[Exposure]] = {}
    for number, scores, event in found:
        if event is not None:
            result[number] = [Exposure(scores[: event + 1], event)]
        elif events:
            result[number] = [Exposure(scores[: cut + 1], None) for cut in rng.choice(events, DRAWS)]
    return result


def _peaks(clean: Sequence[Sequence[Exposure]]) -> Floats:
    """Highest score of each cut of each clean conversation, [n, DRAWS]."""
    return np.array([[e.scores.max() for e in cuts] for cuts in clean])


def thresholds(readings: Readings, seed: int = 0) -> dict[str, float]:
    """θ_α for each α on validation data: the smallest with a false-alarm rate per clean conversation of at most α."""
    clean = [c for c in exposures(readings, seed).values() if c[0].event is None]
    if not clean:
        return {}
    peaks = _peaks(clean).ravel()
    found = {}
    for alpha in ALPHAS:
        above = np.sort(peaks)[::-1]
        allowed = int(np.floor(alpha * len(above)))  # so many may reach θ
        found[f"{alpha:.2f}"] = float(np.nextafter(above[allowed], 1)) if allowed < len(above) else 0.0
    return found


def thresholds_out_of_fold(readings: Readings, folds: int, seed: int) -> dict[str, dict[int, float]]:
    """θ_α for each conversation, from the conversations of the other folds."""
    names = np.unique(readings.conversation)
    fold = np.random.default_rng(seed).permutation(len(names)) % folds
    found: dict[str, dict[int, float]] = {f"{alpha:.2f}": {} for alpha in ALPHAS}
    for k in range(folds):
        held = set(names[fold == k].tolist())
        others = readings.where(~np.isin(readings.conversation, list(held)))
        for name, theta in thresholds(others, seed).items():
            found[name] |= dict.fromkeys(held, theta)
    return found


UNKNOWN = Figure(float("nan"), float("nan"), float("nan"))


def _over(values: Floats, seed: int, rounds: int, middle: bool = False) -> Figure:
    """Mean (or median) over conversations with its interval."""
    if not len(values):
        return UNKNOWN
    average = np.median if middle else np.mean
    return bootstrap(lambda i: float(average(values[i])), np.arange(len(values)), seed=seed, rounds=rounds)


def _precision(alarmed: Floats, bad: NDArray[np.bool_], seed: int, rounds: int) -> Figure:
    """Share of bad conversations among the alarmed, at the base rate of the data."""

    def share(i: NDArray[np.int64]) -> float:
        total = alarmed[i].sum()
        return float(alarmed[i][bad[i]].sum() / total) if total else float("nan")

    return bootstrap(share, np.arange(len(bad)), seed=seed, rounds=rounds) if len(bad) else UNKNOWN


def table(
    readings: Readings, theta: Mapping[str, float | Mapping[int, float]], seed: int = 0, rounds: int = 300
) -> list[dict[str, Any]]:
    """`[{alpha, h, far, dr, lead, precision}]` at given thresholds, with 95 % intervals over conversations.

    A threshold holds for all, or is given for each conversation by its number.
    """
    numbered = exposures(readings, seed)
    everyone = list(numbered.values())
    bad = np.array([c[0].event is not None for c in everyone], dtype=bool)
    rows = []
    for name, threshold in sorted(theta.items()):
        at = [threshold[n] if isinstance(threshold, Mapping) else threshold for n in numbered]
        pairs = list(zip(everyone, at, strict=True))
        alarmed = np.array([np.mean([e.lead(t) is not None for e in cuts]) for cuts, t in pairs], dtype=float)
        leads = np.array([cuts[0].lead(t) for cuts, t in pairs], dtype=float)  # None becomes NaN
        shared = {
            "far": _over(alarmed[~bad], seed, rounds).as_json(),
            "lead": _over(leads[bad & ~np.isnan(leads)], seed, rounds, middle=True).as_json(),
            "precision": _precision(alarmed, bad, seed, rounds).as_json(),
        }
        for h in LEADS:
            caught = (~np.isnan(leads) & (np.nan_to_num(leads) >= h)).astype(float)
            rows.append({"alpha": float(name), "h": h, "dr": _over(caught[bad], seed, rounds).as_json(), **shared})
    return rows


def curve(readings: Readings, seed: int = 0) -> list[tuple[float, float]]:
    """(false-alarm rate, detection rate at h = 0) over all thresholds, ascending: the picture of the trade."""
    everyone = list(exposures(readings, seed).values())
    bad = np.array([c[0].scores.max() for c in everyone if c[0].event is not None])
    clean = [c for c in everyone if c[0].event is None]
    if not len(bad) or not clean:
        return []
    peaks = _peaks(clean).ravel()
    cuts = np.r_[np.inf, np.unique(np.r_[bad, peaks])[::-1]]
    return [(float((peaks >= t).mean()), float((bad >= t).mean())) for t in cuts]
