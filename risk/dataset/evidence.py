"""What two models make of the same logged conversations, for the gate.

Each conversation is told to both models anew, from its first message on, with the vectors and the history of that time. Rows of
the evidence are the contact's messages of conversations that were left to ordinary service; bands are kept for all, because what
the policy would earn on the challenger's bands is judged from every decision.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from risk.dataset.files import Dataset
from risk.dataset.rows import Case
from risk.errors import DataRefused
from risk.gate import Evidence, Ints
from risk.ope import TREATMENTS, Floats, Judged, Logged, evaluate, kind_of, only, read_log
from risk.types import Scorer, Vector

Lookup = Mapping[str, Vector]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Compared:
    """The gate's evidence, and the challenger's band at each message, by conversation and seq."""

    evidence: Evidence
    bands: Mapping[tuple[str, int], str]


def compare(
    cases: Sequence[Case], champion: Scorer, challenger: Scorer, lookup: Lookup, progress: Progress | None = None
) -> Compared:
    """Both models over the cases. `lookup` holds a vector for each text. Raises `DataRefused` when there is nothing to compare."""
    rows: list[tuple[float, float, float, float, str, str, bool, bool, str, str]] = []
    bands: dict[tuple[str, int], str] = {}
    times: list[float] = []
    for done, case in enumerate(cases, start=1):
        old, new = champion.initial(), challenger.initial()
        for message, seq in zip(case.conversation.messages, case.seqs, strict=True):
            vector = lookup[message.text]
            old = champion.advance(old, vector, message)
            started = time.thread_time()
            new = challenger.advance(new, vector, message)
            if message.role != "contact":
                continue
            score = challenger.score(new, case.history, message.at_ms or 0)
            times.append((time.thread_time() - started) * 1000)
            bands[case.conversation.id, seq] = score.band
            if not case.treated:
                known = "known" if case.history.orders else "unknown"
                was = champion.score(old, case.history, message.at_ms or 0)
                alarms = (score.band == "high", was.band == "high")
                who = (case.customer, case.conversation.id)
                seen = (was.churn, score.churn, case.left, case.weight)
                rows.append((*seen, *who, *alarms, case.conversation.language, known))
        if progress is not None:
            progress(done, len(cases))
    if not rows:
        raise DataRefused("no conversation of the held-out customers was left to ordinary service")
    befores, afters, lefts, weights, customers, talks, alarmed, alarmed_now, languages, pasts = zip(*rows, strict=True)
    evidence = Evidence(
        champion=np.asarray(befores),
        challenger=np.asarray(afters),
        churned=np.asarray(lefts),
        weight=np.asarray(weights),
        customer=_numbered(customers),
        conversation=_numbered(talks),
        alarmed=np.asarray(alarmed),
        alarmed_now=np.asarray(alarmed_now),
        slices={"language": np.asarray(languages), "history": np.asarray(pasts)},
        latency_ms=np.asarray(times),
    )
    return Compared(evidence, bands)


def _numbered(names: Sequence[str]) -> Ints:
    return np.asarray(np.unique(names, return_inverse=True)[1], np.int64)


def judge(dataset: Dataset, bands: Mapping[tuple[str, int], str], *, reward: str, seed: int = 0) -> Judged | None:
    """What the policy would earn if treatments were possible only where the challenger's band is not low; None without rewards.

    The log cannot tell of treatments that the champion's band ruled out: such decisions are taken as they were.
    """
    band_of = {
        row["id"]: bands[row["conversation_id"], row["seq"]]
        for row in _decisions(dataset)
        if (row["conversation_id"], row["seq"]) in bands
    }
    try:
        rows = [row for row in read_log(dataset.decisions, reward=reward) if row.id in band_of]
    except DataRefused:
        return None
    if not rows:
        return None

    def policy(row: Logged) -> Floats:
        if band_of[row.id] == "low" and not row.forced:
            return only(row, lambda action: kind_of(action) not in TREATMENTS)
        return np.asarray(row.probabilities)

    return evaluate(rows, policy, name="challenger's bands", seed=seed)


def _decisions(dataset: Dataset) -> list[dict[str, Any]]:
    with dataset.decisions.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
