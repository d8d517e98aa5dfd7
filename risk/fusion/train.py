"""Training of a fusion over the branches of an existing model. Seeded and repeatable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from risk import card
from risk.artefact import FUSION_HISTORY, FUSION_TREES, Artefact
from risk.bands import Bands
from risk.calibration import Curve, sigmoid
from risk.cold_start import ColdStart
from risk.embeddings import CachedEncoder
from risk.errors import DataRefused
from risk.fusion import calibrate
from risk.fusion.data import Cases
from risk.fusion.learn import INNER, fit_branches, fit_gated, fit_trees, fused_out_of_fold
from risk.fusion.measure import BASELINES, figures
from risk.fusion.model import gated_tensors
from risk.fusion.rows import Rows, collect
from risk.fusion.validate import OUTER, OutOfFold, choose, out_of_fold
from risk.scorer import ChampionScorer

LEAST = 200  # conversations with an outcome

Report = Callable[[str, int, int], None]


def train(
    name: str,
    base: Artefact,
    encoder: CachedEncoder,
    cases: Cases,
    files: Sequence[Mapping[str, str]],
    *,
    horizon_days: int,
    seed: int,
    report: Report,
) -> Artefact:
    """A whole model: the branches of `base`, and a fusion learnt over them. Raises `DataRefused`.

    The learner (trees or gated sum) and the calibration are chosen on customers and times that the fit has not seen; then
    everything is fitted on all rows, the learner on branch logits out of fold. Guessed labels take part in that last fit only.
    """
    if cases.known < LEAST:
        few = f"{cases.known} conversations with an outcome"
        raise DataRefused(f"{few}; a fusion needs {LEAST}, until then the cold start serves")
    if encoder.fingerprint != base.encoder:
        raise DataRefused("the model to build on was trained with another encoder")
    plain = base.without_fusion()
    scorer = ChampionScorer.from_artefact(plain, Bands(0.4, 0.6, "none", "not used here"))
    texts = (m.text for case in cases.rows for m in case.conversation.messages)
    lookup = encoder.lookup(texts, lambda done, total: report("encode", done, total))
    rows, projection = collect(cases.rows, scorer, lookup, seed, lambda done, total: report("replay", done, total))
    tick = _ticker(report, OUTER + 2)
    known = rows.where(~rows.guessed)
    found = out_of_fold(known, horizon_days, seed, tick)
    kind = choose(found)
    scores = sigmoid(found.logits[kind])
    method, losses = calibrate.choose(scores, found.rows.y, found.rows.customer, seed=seed)
    curve = calibrate.curve(method, scores, found.rows.y, found.rows.customer, seed=seed)
    tick()
    branches = fit_branches(rows, seed)
    learner = (fit_trees if kind == "trees" else fit_gated)(fused_out_of_fold(rows, seed), rows, seed)
    tick()
    p = _calibrated(curve, scores)
    tensors: dict[str, NDArray[Any]] = {
        **{f"projection.{part}": value for part, value in projection.tensors().items()},
        **{f"text.{part}": value for part, value in branches.text.tensors().items()},
        **{f"surface.{part}": value for part, value in branches.surface.tensors().items()},
        **{f"curve.{part}": value for part, value in curve.tensors().items()},
        "population": np.quantile(p, np.linspace(0.005, 0.995, 100)),
    }
    texts_of_trees = {FUSION_HISTORY: branches.history.model_to_string()}
    members = 0
    if learner.trees is not None:
        texts_of_trees[FUSION_TREES] = learner.trees.model_to_string()
    elif learner.members is not None and learner.scaling is not None:
        tensors |= gated_tensors(learner.members, learner.scaling)
        members = len(learner.members)
    metrics = {**plain.metrics, "fusion": _figures(found, kind, p, losses, seed)}
    data = {
        **plain.data,
        "fusion": {
            "files": list(files),
            "conversations": cases.known,
            "guessed": len(cases.rows) - cases.known,
            "customers": len(np.unique(known.customer)),
            "left_out": dict(cases.left_out),
            "horizon_days": horizon_days,
            "learner": kind,
            "calibration": method,
            "split": f"{found.split}; branch logits cross-fitted in {INNER} folds by customer",
        },
    }
    cold = ColdStart.from_json(plain.settings["cold_start"])
    text = card.write(name=name, encoder=plain.encoder_name, metrics=metrics, data=data, cold_start=cold, seed=seed)
    return replace(
        plain,
        name=name,
        tensors={**plain.tensors, **{f"fusion.{part}": value for part, value in tensors.items()}},
        settings={**plain.settings, "fusion": {"kind": kind, "members": members}},
        card=text,
        metrics=metrics,
        data=data,
        fusion=texts_of_trees,
    )


def _ticker(report: Report, total: int) -> Callable[[], None]:
    steps = count(1)

    def tick() -> None:
        report("fusion", next(steps), total)

    return tick


def _calibrated(curve: Curve, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.interp(scores, curve.scores, curve.point))


def _figures(
    found: OutOfFold, kind: str, p: NDArray[np.float64], losses: Mapping[str, float], seed: int
) -> dict[str, Any]:
    """Out of fold, at the ends of conversations; `p` is calibrated on these rows, so that its ECE flatters a little."""
    end = found.final
    rows: Rows = found.rows.where(end)
    names = [*BASELINES, "additive", "trees" if kind == "gated" else "gated"]
    scores = {"fusion": found.logits[kind][end]} | {name: found.logits[name][end] for name in names}
    measured = figures(scores, p[end], rows.y, rows.customer, rows.probability, seed=seed)
    return {**measured, "calibration_log_loss": dict(losses)}
