"""`staywell train fusion` and `staywell evaluate fusion`, for the command line to mount."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from retrieval.encoders import load as load_encoder
from risk import artefact, registry
from risk import train as training
from risk.commands import (
    AsJson,
    Base,
    Cache,
    Data,
    Horizon,
    Map,
    More,
    Out,
    Promote,
    Seed,
    answer,
    days,
    progress,
    refusals,
)
from risk.embeddings import CachedEncoder
from risk.errors import ExtraMissing
from risk.fusion import data as fusion_data
from risk.fusion import measure
from risk.history.transactions import parse_mapping

Purchases = Annotated[Path, typer.Option("--transactions", help="CSV or CSV.gz of the same customers' purchases.")]
Outcomes = Annotated[
    Path,
    typer.Option(
        "--outcomes", help="What became of them: rows of the outcome log, CSV or JSONL, or `staywell export both`."
    ),
]


def train_fusion(
    data: Data,
    transactions: Purchases,
    outcomes: Outcomes,
    out: Out,
    more: More = None,
    mapping: Map = "",
    base: Base = None,
    name: Annotated[str, typer.Option("--name", help="The artefact's name.")] = "shop",
    cache: Cache = Path(".cache"),
    horizon: Horizon = "90d",
    seed: Seed = training.SEED,
    promote: Promote = False,
    as_json: AsJson = False,
) -> None:
    """Learn from a shop's own outcomes how conversation and history meet; both branches are taken over from --base."""
    with refusals():
        train = _training()
        paths, window = [*data, *(more or [])], days(horizon)
        mapped = parse_mapping(mapping)
        kept = artefact.load(registry.champion_folder(registry.SHIPPED if base is None else base))
        encoder = CachedEncoder(load_encoder(kept.encoder_name), cache)
        cases = fusion_data.read(paths, transactions, outcomes, mapping=mapped, horizon_days=window)
        files = training.described([*paths, transactions, outcomes])
        with progress() as report:
            model = train.train(name, kept, encoder, cases, files, horizon_days=window, seed=seed, report=report)
        folder = training.publish(model, out)
        if promote:
            registry.promote(out, model.version)
    result = {"version": model.version, "path": str(folder), "promoted": promote}
    answer(result | {"metrics": model.metrics["fusion"], "data": model.data["fusion"]}, as_json, model.version)


def evaluate_fusion(
    data: Data,
    transactions: Purchases,
    outcomes: Outcomes,
    more: More = None,
    mapping: Map = "",
    model: Annotated[Path | None, typer.Option("--model", help="Registry or artefact folder with a fusion.")] = None,
    cache: Cache = Path(".cache"),
    horizon: Horizon = "90d",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """A fused model on conversations that it has not seen, beside text, history, recency and surface alone."""
    with refusals():
        window = days(horizon)
        folder = registry.champion_folder(registry.SHIPPED if model is None else model)
        encoder = CachedEncoder(load_encoder(artefact.load(folder).encoder_name), cache)
        scorer = registry.load_champion(folder, encoder_fingerprint=encoder.fingerprint)
        paths = [*data, *(more or [])]
        cases = fusion_data.read(paths, transactions, outcomes, mapping=parse_mapping(mapping), horizon_days=window)
        with progress() as report:
            texts = (m.text for case in cases.rows for m in case.conversation.messages)
            lookup = encoder.lookup(texts, lambda done, total: report("encode", done, total))
            found = measure.served(
                scorer, cases.rows, lookup, lambda done, total: report("replay", done, total), seed=seed
            )
    answer(found, as_json, scorer.version)


def _training() -> Any:
    """The module that needs torch and scikit-learn, imported only when it is used."""
    try:
        import sklearn  # noqa: F401

        from risk.fusion import train
    except ImportError as missing:
        hint = "pip install 'staywell[train]' (torch first, its CPU build is enough)"
        raise ExtraMissing(f"training needs an extra: {hint}") from missing
    return train
