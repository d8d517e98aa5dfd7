"""`staywell evaluate …`: models measured on data that they have not seen; mounted by the assistant's command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from retrieval.encoders import load as load_encoder
from risk import artefact, registry
from risk import evaluate as evaluation
from risk import train as training
from risk.anomaly import evaluate as anomaly_evaluation
from risk.commands import (
    ADAPTATION,
    AsJson,
    Augment,
    Cache,
    Data,
    EncoderName,
    Horizon,
    LoraEpochs,
    LoraLayers,
    Map,
    More,
    Seed,
    Transactions,
    TurnsOnly,
    Workers,
    adaptation,
    answer,
    days,
    progress,
    refusals,
)
from risk.conversation import data as conversation_data
from risk.conversation.lora import source_of as lora_source
from risk.early_warning import curve
from risk.embeddings import CachedEncoder
from risk.history import evaluate as history_evaluation
from risk.history.transactions import parse_mapping
from risk.history.transactions import read as read_transactions
from risk.house import place
from risk.plots import alarm_curve
from risk.scorer import floors_of

evaluate_app = typer.Typer(no_args_is_help=True, help="Measure a model on data that it has not seen.")


@evaluate_app.command("conversations")
def evaluate_conversations(
    data: Data,
    more: More = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="Registry or artefact folder. Default: the shipped model.")
    ] = None,
    cache: Cache = Path(".cache"),
    turns_only: TurnsOnly = False,
    plot: Annotated[Path | None, typer.Option("--plot", help="Write the early-warning curve as SVG.")] = None,
    as_json: AsJson = False,
) -> None:
    """Satisfaction, forecast and early-warning figures of a model on conversations with `satisfaction`."""
    with refusals():
        folder = registry.champion_folder(registry.SHIPPED if model is None else model)
        stored = artefact.load(folder)
        cached = CachedEncoder(load_encoder(stored.encoder_name), cache)
        scorer = registry.load_champion(folder, encoder_fingerprint=cached.fingerprint)
        conversations = conversation_data.read([*data, *(more or [])])
        with progress() as report:
            texts = (m.text for c in conversations for m in c.messages)
            lookup = cached.lookup(texts, lambda done, total: report("encode", done, total))
        readings = evaluation.replay(scorer, floors_of(stored), conversations, lookup)
        if plot is not None:
            plot.write_text(alarm_curve(curve(readings["model"]), scorer.version), encoding="utf-8")
        answer(
            evaluation.conversation_figures(readings, scorer.bands.alarms, turns_only=turns_only),
            as_json,
            scorer.version,
        )


@evaluate_app.command("cross-validate")
def cross_validate_conversations(
    context: typer.Context,
    data: Data,
    more: More = None,
    encoder: EncoderName = "use",
    cache: Cache = Path(".cache"),
    seed: Seed = training.SEED,
    turns_only: TurnsOnly = False,
    augment: Augment = 0,
    lora: Annotated[
        bool, typer.Option("--lora", help="Adapt the encoder's last layers first (LoRA), in each fold anew.")
    ] = False,
    lora_layers: LoraLayers = ADAPTATION.layers,
    lora_epochs: LoraEpochs = ADAPTATION.epochs,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """What training on these conversations would give, out of fold by conversation; nothing is written."""
    with refusals():
        source = lora_source(encoder) if lora else None
        chosen = adaptation(lora_layers, lora_epochs)
        cached = CachedEncoder(load_encoder(encoder), cache)
        with progress() as report:
            where = place(context, workers)
            options = training.Options(augment, adapted_from=source, adaptation=chosen, place=where)
            readings = training.cross_validate([*data, *(more or [])], cached, seed, report, options)
        answer(
            evaluation.out_of_fold_figures(readings, turns_only=turns_only, seed=seed),
            as_json,
            f"out of fold, {encoder}",
        )


@evaluate_app.command("history")
def evaluate_history(
    transactions: Transactions,
    as_of: Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day of the snapshot (UTC).")],
    mapping: Map = "",
    horizon: Horizon = "90d",
    origins: Annotated[
        int, typer.Option("--origins", min=0, max=50, help="Measure at so many earlier dates too, 15 days apart.")
    ] = 0,
    seed: Seed = training.SEED,
    as_json: AsJson = False,
) -> None:
    """Churn at a date, by a model trained on earlier windows of the same file only, beside four baselines."""
    with refusals():
        histories = read_transactions(transactions, parse_mapping(mapping))
        moment = int(as_of.replace(tzinfo=UTC).timestamp() * 1000)
        with progress() as report:
            found = history_evaluation.figures(histories, moment, days(horizon), seed, origins=origins, report=report)
        answer(found, as_json, transactions.name)


@evaluate_app.command("anomaly")
def evaluate_anomaly(
    transactions: Transactions,
    mapping: Map = "",
    seed: Seed = training.SEED,
    as_json: AsJson = False,
) -> None:
    """How well injected abusers stand out among customers that the tables have not seen, and who is gated wrongly."""
    with refusals():
        histories = read_transactions(transactions, parse_mapping(mapping))
        answer(anomaly_evaluation.figures(histories, seed), as_json, transactions.name)
