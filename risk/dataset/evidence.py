"""What two models make of the same logged conversations, for the gate.

Each conversation is told to both models anew, from its first message on, with the vectors and the history of that time. Rows of
the evidence are the contact's messages of conversations that were left to ordinary service; bands are kept for all, because what
the policy would earn on the challenger's bands is judged from every decision.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from risk.dataset.files import Case, Dataset
from risk.errors import DataRefused
from risk.gate import Evidence
from risk.ope import TREATMENTS, Floats, Judged, Logged, evaluate, kind_of, only, read_log
from risk.types import Scorer, Vector

HELD_SHARE: Final = 0.3  # of customers: a challenger is never trained on them
HELD_SINCE: Final = 0.5  # quantile of time from which on their conversations judge

Lookup = Mapping[str, Vector]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Compared:
    """The gate's evidence, and the challenger's band at each message, by conversation and seq."""

    evidence: Evidence
    bands: Mapping[tuple[str, int], str]


def held(case: Case) -> bool:
    """Whether a customer is kept from training: by a hash of the key, so that it is the same in every training set."""
    digest = hashlib.sha256(f"held:{case.customer}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < HELD_SHARE


def split(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """Cases to train on, and cases to judge by: other customers, and only the later part of the time."""
    if not cases:
        return [], []
    since = float(np.quantile([case.ended_at for case in cases], HELD_SINCE))
    train = [case for case in cases if not held(case)]
    judge = [case for case in cases if held(case) and case.ended_at >= since]
    return train, judge


def compare(
    cases: Sequence[Case], champion: Scorer, challenger: Scorer, lookup: Lookup, progress: Progress | None = None
) -> Compared:
    """Both models over the cases. `lookup` holds a vector for each text. Raises `DataRefused` when there is nothing to compare."""
    rows: list[tuple[float, float, float, float, str, bool, str, str]] = []
    bands: dict[tuple[str, int], str] = {}
    times: list[float] = []
    for done, case in enumerate(cases, start=1):
        old, new = champion.initial(), challenger.initial()
        for message, seq in zip(case.conversation.messages, case.seqs, strict=True):
            vector = lookup[message.text]
            old = champion.advance(old, vector, message)
            started = time.perf_counter()
            new = challenger.advance(new, vector, message)
            if message.role != "contact":
                continue
            score = challenger.score(new, case.history, message.at_ms or 0)
            times.append((time.perf_counter() - started) * 1000)
            bands[case.conversation.id, seq] = score.band
            if not case.treated:
                known = "known" if case.history.orders else "unknown"
                was = champion.score(old, case.history, message.at_ms or 0).churn
                alarmed = score.band == "high"
                language = case.conversation.language
                rows.append((was, score.churn, case.left, case.weight, case.customer, alarmed, language, known))
        if progress is not None:
            progress(done, len(cases))
    if not rows:
        raise DataRefused("no conversation of the held-out customers was left to ordinary service")
    befores, afters, lefts, weights, customers, alarms, languages, pasts = zip(*rows, strict=True)
    _, number = np.unique(customers, return_inverse=True)
    evidence = Evidence(
        champion=np.asarray(befores),
        challenger=np.asarray(afters),
        churned=np.asarray(lefts),
        weight=np.asarray(weights),
        customer=np.asarray(number, np.int64),
        alarmed=np.asarray(alarms),
        slices={"language": np.asarray(languages), "history": np.asarray(pasts)},
        latency_ms=np.asarray(times),
    )
    return Compared(evidence, bands)


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
