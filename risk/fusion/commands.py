"""`staywell train fusion` and `staywell evaluate fusion`, for the command line to mount."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
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
    DataDir,
    Horizon,
    Map,
    More,
    Out,
    Promote,
    Seed,
    Site,
    answer,
    days,
    progress,
    refusals,
)
from risk.dataset import files
from risk.embeddings import CachedEncoder
from risk.errors import ExtraMissing
from risk.fusion import data as fusion_data
from risk.fusion import measure
from risk.fusion.data import Cases
from risk.history.transactions import parse_mapping
from risk.house import log_of

Talks = Annotated[
    list[Path] | None,
    typer.Option(
        "--data", help="Conversations with customer_id and times, JSONL or JSONL.gz; may be given several times."
    ),
]
Purchases = Annotated[
    Path | None, typer.Option("--transactions", help="CSV or CSV.gz of the same customers' purchases.")
]
Outcomes = Annotated[
    Path | None,
    typer.Option("--outcomes", help="Rows of the outcome log, CSV or JSONL, or `staywell export both`."),
]
FromLog = Annotated[
    Path | None,
    typer.Option("--dataset", help="Instead of the three: a training set that the product built of its own log."),
]


@dataclass(frozen=True, slots=True)
class _Given:
    """Where the cases come from, as the options name it."""

    data: list[Path]
    transactions: Path | None
    outcomes: Path | None
    dataset: Path | None
    mapping: str
    window: int

    def cases(self, *, judging: bool = False) -> Cases:
        """The joined conversations; of a training set those to learn from, or those that are kept to judge by.

        Raises `DataRefused`, or `typer.BadParameter` for options that do not go together.
        """
        if self.dataset is not None and not (self.data or self.transactions or self.outcomes):
            return fusion_data.of_dataset(files.read(self.dataset), self.window, judging=judging)
        if self.dataset is None and self.data and self.transactions and self.outcomes:
            mapped = parse_mapping(self.mapping)
            return fusion_data.read(
                self.data, self.transactions, self.outcomes, mapping=mapped, horizon_days=self.window
            )
        raise typer.BadParameter("give --data, --transactions and --outcomes, or --dataset or --site alone")

    def files(self) -> list[dict[str, str]]:
        """Name and hash of each file."""
        folder = [] if self.dataset is None else [self.dataset / files.CASES]
        return training.described([*self.data, *filter(None, (self.transactions, self.outcomes)), *folder])


def train_fusion(
    context: typer.Context,
    out: Out,
    data: Talks = None,
    transactions: Purchases = None,
    outcomes: Outcomes = None,
    dataset: FromLog = None,
    site: Site = None,
    data_dir: DataDir = None,
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
        if site is not None:
            if dataset is not None:
                raise typer.BadParameter("give --dataset or --site")
            with log_of(context, site, data_dir) as log:
                dataset = log.training_set(days(horizon))
        given = _Given([*(data or []), *(more or [])], transactions, outcomes, dataset, mapping, days(horizon))
        cases = given.cases()
        kept = artefact.load(registry.champion_folder(registry.SHIPPED if base is None else base))
        encoder = CachedEncoder(load_encoder(kept.encoder_name), cache)
        with progress() as report:
            model = train.train(
                name, kept, encoder, cases, given.files(), horizon_days=given.window, seed=seed, report=report
            )
        folder = training.publish(model, out)
        if promote:
            registry.promote(out, model.version)
    result = {"version": model.version, "path": str(folder), "promoted": promote}
    answer(result | {"metrics": model.metrics["fusion"], "data": model.data["fusion"]}, as_json, model.version)


def evaluate_fusion(
    data: Talks = None,
    transactions: Purchases = None,
    outcomes: Outcomes = None,
    dataset: FromLog = None,
    more: More = None,
    mapping: Map = "",
    model: Annotated[Path | None, typer.Option("--model", help="Registry or artefact folder with a fusion.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--since", formats=["%Y-%m-%d"], help="Only conversations from this day on (UTC)."),
    ] = None,
    cache: Cache = Path(".cache"),
    horizon: Horizon = "90d",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """A fused model on conversations that it has not seen, beside text, history, recency and surface alone."""
    with refusals():
        given = _Given([*(data or []), *(more or [])], transactions, outcomes, dataset, mapping, days(horizon))
        cases = given.cases(judging=True)
        if since is not None:
            cases = fusion_data.since(cases, int(since.replace(tzinfo=UTC).timestamp() * 1000))
        folder = registry.champion_folder(registry.SHIPPED if model is None else model)
        encoder = CachedEncoder(load_encoder(artefact.load(folder).encoder_name), cache)
        scorer = registry.load_champion(folder, encoder_fingerprint=encoder.fingerprint)
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
