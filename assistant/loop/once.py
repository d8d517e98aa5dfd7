"""One turn of the loop: outcomes mature, a training set is taken, a challenger trained and put before the gate."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from assistant.loop import gating, guessing
from assistant.loop.build import build
from assistant.outcomes import maturity
from assistant.storage.engine import Storage
from retrieval.documents import Encoder
from risk import artefact, gate, registry
from risk.dataset import files, review
from risk.dataset.files import Dataset
from risk.dataset.rows import Case
from risk.dataset.split import split
from risk.embeddings import CachedEncoder
from risk.errors import ExtraMissing
from risk.fusion import data as fusion_data
from risk.fusion import guesses
from risk.scale.shards import HERE, Place
from risk.scorer import ChampionScorer
from risk.train import publish

REVIEWED: Final = 20  # conversations on the list for supervisors
LOOKED_AT: Final = 5000  # untreated conversations that the list is made from, the newest
REPORT: Final = "loop.json"

Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a turn works with. `registry` and `training` are folders of the installation, `cache` holds vectors of texts."""

    registry: Path
    training: Path
    cache: Path
    encoder: Encoder
    horizon_days: int = 90
    seed: int = 0
    limits: gate.Limits | None = None
    keep: int = gating.KEPT  # models that went before the gate and never served
    guess: bool = False  # whether labels may be guessed for conversations whose window is not over


def ripen(storage: Storage, site_id: str, now: int) -> int:
    """Adds the outcomes that time has brought; how many."""
    added, places, more = 0, maturity.Places(), True
    while more:
        found = storage.read_sync(partial(maturity.due, site_id=site_id, now=now, after=places))
        added += storage.write_sync(partial(maturity.add, found=found, now=now)).total
        places, more = found.places, found.more
    return added


def take(
    storage: Storage, site_id: str, settings: Settings, *, as_of: int, place: Place = HERE, report: Report | None = None
) -> Dataset:
    """The training set as of a moment, the same wherever its shards are worked on."""
    return files.read(
        build(
            storage,
            settings.training,
            site_id=site_id,
            as_of=as_of,
            horizon_days=settings.horizon_days,
            place=place,
            progress=None if report is None else lambda done, total: report("take", done, total),
        )
    )


class Stages:
    """How long each stage took: wall time, and processor time of this process, in seconds."""

    def __init__(self) -> None:
        self.took: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what is done inside."""
        wall, processor = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            spent = {"wall": time.monotonic() - wall, "processor": time.process_time() - processor}
            self.took[name] = {kind: round(value, 2) for kind, value in spent.items()}


def turn(dataset: Dataset, settings: Settings, report: Report, stages: Stages | None = None) -> dict[str, Any]:
    """Trains on a training set, gates, and files the report in its folder. A challenger that passes begins to shadow.

    Raises `DataRefused` when there is too little to learn from, `ExtraMissing` without the training extra.
    """
    stages = stages or Stages()
    base_name = registry.pointer(settings.registry).champion
    base = artefact.load(settings.registry / base_name, encoder=settings.encoder.fingerprint)
    cached = CachedEncoder(settings.encoder, settings.cache)
    with stages.stage("encode"):
        texts = (message.text for case in dataset.cases for message in case.conversation.messages)
        cached.fill(texts, lambda done, total: report("encode", done, total))
    with stages.stage("train"):
        model = _train(base, cached, dataset, settings, report)
        publish(model, settings.registry)
    guessed = None
    if settings.guess:
        with stages.stage("guess"):
            guessed = _guess(model, base, cached, dataset, settings, report)
            model = guessed.model
    with stages.stage("gate"):
        verdict = gating.judge(
            dataset,
            settings.registry,
            model.version,
            settings.encoder,
            cache=settings.cache,
            limits=settings.limits,
            report=report,
        )
    if verdict.passed:
        registry.challenge(settings.registry, model.version, reason=f"passed the gate on {dataset.name}", by="loop")
    with stages.stage("review"):
        champion = registry.load(settings.registry / base_name, encoder_fingerprint=settings.encoder.fingerprint)
        spared = sorted((case for case in dataset.cases if not case.treated), key=lambda case: case.ended_at)
        look_at = _look_at(champion, spared[-LOOKED_AT:], cached, report)
    found = {
        "training_set": dataset.name,
        "counts": {
            name: dataset.sheet[name] for name in ("decisions", "cases", "customers", "left", "treated", "holdout")
        },
        "trained_on": model.data["fusion"]["conversations"],
        "guesses": None if guessed is None else guessed.as_json(),
        "judged_on": len(split(dataset.cases)[1]),
        "challenger": model.version,
        "gate": verdict.as_json(),
        "shadows": verdict.passed,
        "look_at": look_at,
        "pruned": gating.prune(settings.registry, keep=settings.keep),
        "seconds": stages.took,
    }
    (dataset.folder / REPORT).write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return found


def _train(
    base: artefact.Artefact,
    cached: CachedEncoder,
    dataset: Dataset,
    settings: Settings,
    report: Report,
    guessed: Sequence[fusion_data.Case] = (),
) -> artefact.Artefact:
    """A fusion over the champion's branches, from the conversations that were left to ordinary service, and guessed ones."""
    try:
        from risk.fusion import train as fusion
    except ImportError as missing:
        raise ExtraMissing("training needs an extra: pip install 'staywell[train]'") from missing
    listed = [{"name": f"{dataset.name}/{name}", "sha256": value} for name, value in dataset.sheet["files"].items()]
    return fusion.train(
        "shop",
        base,
        cached,
        guesses.joined(fusion_data.of_dataset(dataset, settings.horizon_days), guessed),
        listed,
        horizon_days=settings.horizon_days,
        seed=settings.seed,
        report=report,
    )


def _guess(
    plain: artefact.Artefact,
    base: artefact.Artefact,
    cached: CachedEncoder,
    dataset: Dataset,
    settings: Settings,
    report: Report,
) -> guessing.Guessed:
    """The challenger, or one that has learnt from guesses as well where that is better."""

    def judge(before: str, version: str) -> gate.Verdict:
        return gating.compare(
            dataset,
            settings.registry,
            before,
            version,
            settings.encoder,
            cache=settings.cache,
            limits=settings.limits,
            report=report,
        )

    def train(guessed: Sequence[fusion_data.Case]) -> artefact.Artefact:
        return _train(base, cached, dataset, settings, report, guessed)

    return guessing.tried(plain, train, dataset, settings.registry, cached, judge, report)


def _look_at(champion: ChampionScorer, cases: list[Case], cached: CachedEncoder, report: Report) -> dict[str, Any]:
    """Conversations for supervisors, by the champion, which has seen none of these labels."""
    lookup = cached.lookup(m.text for case in cases for m in case.conversation.messages)
    churn, last = [], []
    for done, case in enumerate(cases, start=1):
        state = champion.initial()
        for message in case.conversation.messages:
            state = champion.advance(state, lookup[message.text], message)
            if message.role == "contact":
                vector = lookup[message.text]
        churn.append(champion.score(state, case.history, case.ended_at).churn)
        last.append(vector)
        if done % 50 == 0 or done == len(cases):
            report("review", done, len(cases))
    if not cases:
        return {"of": 0, "labels_odd": 0.0, "odd_by_chance": 0.0, "suspect": [], "unsure": []}
    scores, left = np.asarray(churn), np.asarray([case.left for case in cases])
    noise = review.label_noise(scores, left)
    unsure = review.worth_labelling(scores, np.stack(last).astype(np.float64), REVIEWED)
    return {
        "of": len(cases),
        "labels_odd": round(noise.share, 4),
        "odd_by_chance": round(noise.chance, 4),
        "suspect": [cases[row].conversation.id for row in noise.suspects[:REVIEWED]],
        "unsure": [cases[row].conversation.id for row in unsure],
    }
