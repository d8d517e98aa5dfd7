"""`staywell train …`, which the assistant's command line mounts, and what the commands of `risk` share: options and answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from retrieval.encoders import EncoderMissing
from retrieval.encoders import load as load_encoder
from risk import artefact, registry
from risk import train as training
from risk.anomaly import train as anomaly_training
from risk.artefact import Artefact
from risk.conversation import data as conversation_data
from risk.conversation.lora import Adaptation
from risk.conversation.lora import source_of as lora_source
from risk.embeddings import CachedEncoder
from risk.errors import RiskError
from risk.history import train as history_training
from risk.history.transactions import COLUMNS, parse_mapping
from risk.history.transactions import read as read_transactions
from risk.house import log_of, place

train_app = typer.Typer(
    no_args_is_help=True, help="Train the churn model's branches; writes a versioned artefact with its card."
)

_screen = Console(stderr=True)
ADAPTATION = Adaptation()

Data = Annotated[
    list[Path], typer.Option("--data", help="Conversations, JSONL or JSONL.gz; may be given several times.")
]
Talks = Annotated[
    list[Path] | None, typer.Option("--data", help="Conversations, JSONL or JSONL.gz; may be given several times.")
]
More = Annotated[list[Path] | None, typer.Argument(help="Further files of conversations.")]
Transactions = Annotated[Path, typer.Option("--transactions", help="CSV or CSV.gz, one line an item or an order.")]
Purchases = Annotated[Path | None, typer.Option("--transactions", help="CSV or CSV.gz, one line an item or an order.")]
Map = Annotated[str, typer.Option("--map", help=f"field=Column,… for {', '.join(COLUMNS)}.")]
Out = Annotated[Path, typer.Option("--out", help="Registry folder; the artefact becomes a folder in it.")]
Base = Annotated[
    Path | None, typer.Option("--base", help="Model to take the other branch from. Default: the shipped one.")
]
Name = Annotated[str, typer.Option("--name", help="The artefact's name.")]
EncoderName = Annotated[
    str, typer.Option("--encoder", help="use, e5, packed:NAME, or a sentence-transformers name or folder.")
]
Cache = Annotated[Path, typer.Option("--cache", help="Where vectors of texts are kept.")]
Horizon = Annotated[str, typer.Option("--horizon", help="Label window, for example 90d.")]
Seed = Annotated[int, typer.Option("--seed")]
Augment = Annotated[
    int,
    typer.Option(
        "--augment",
        min=0,
        max=5,
        help="Noisy copies of each labelled conversation, for the recurrent reader alone.",
    ),
]
Lora = Annotated[
    Path | None,
    typer.Option(
        "--lora",
        help="Adapt the last layers of --encoder to the labelled turns first (LoRA); a new folder for the result.",
    ),
]
LoraLayers = Annotated[int, typer.Option("--lora-layers", min=1, max=48, help="How many of the last layers.")]
LoraEpochs = Annotated[int, typer.Option("--lora-epochs", min=1, max=20, help="How often each labelled turn is seen.")]
Site = Annotated[
    str | None,
    typer.Option("--site", help="Learn from the log of the site with this key, in the product's own database."),
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="With --site: where the database lives. Default: as the settings say.")
]
Promote = Annotated[bool, typer.Option("--promote", help="Let the registry's pointer name the new artefact.")]
TurnsOnly = Annotated[
    bool,
    typer.Option("--turns-only", help="Leave out closing ratings (USS's OVERALL rows), which published figures count."),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Processes to work in. Default: STAYWELL_PROCESSES. The result is the same."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


@contextmanager
def refusals() -> Iterator[None]:
    """What cannot be done is said in one line on stderr, exit code 2: never a traceback."""
    try:
        yield
    except (RiskError, EncoderMissing) as refused:
        _screen.print(f"[red]{type(refused).__name__}[/red]: {escape(str(refused))}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from refused


@contextmanager
def progress() -> Iterator[training.Report]:
    """A progress bar a stage, on stderr, so that stdout stays free for the answer."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_screen) as bars:
        tasks: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


def adaptation(layers: int, epochs: int) -> Adaptation:
    """Of an encoder, from what the command line gives."""
    return replace(ADAPTATION, layers=layers, epochs=epochs)


def days(text: str) -> int:
    """`90d` → 90. Raises `typer.BadParameter`."""
    number = text.removesuffix("d")
    if not number.isdigit() or not 1 <= int(number) <= 730:
        raise typer.BadParameter("a horizon is a number of days from 1 to 730, for example 90d")
    return int(number)


def answer(result: dict[str, Any], as_json: bool, title: str) -> None:
    """One JSON object on stdout, or tables for people."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, allow_nan=False) + "\n")
        return
    screen = Console()
    table = Table("figure", "value", "95 % interval", title=title)
    for name, value in _flat(result):
        if isinstance(value, dict):
            shown = [f"{value[k]:.4f}" if value[k] is not None else "–" for k in ("value", "low", "high")]
            table.add_row(name, shown[0], f"{shown[1]} to {shown[2]}")
        else:
            table.add_row(name, str(value), "")
    screen.print(table)


def _flat(result: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in result.items() if isinstance(result, dict) else enumerate(result):
        name = f"{prefix}{key}"
        if (isinstance(value, dict) and set(value) != {"value", "low", "high"}) or (
            isinstance(value, list) and value and isinstance(value[0], dict)
        ):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value


def _finish(model: Artefact, out: Path, promote: bool, as_json: bool) -> None:
    folder = training.publish(model, out)
    if promote:
        registry.promote(out, model.version)
    result = {
        "version": model.version,
        "path": str(folder),
        "promoted": promote,
        "metrics": model.metrics,
        "data": model.data,
    }
    answer(result, as_json, model.version)


def _with_spread(model: Artefact, paths: list[Path], encoder: CachedEncoder) -> Artefact:
    conversations = conversation_data.read(paths)
    return training.with_shifts(model, conversations, encoder.lookup(m.text for c in conversations for m in c.messages))


def _base(path: Path | None) -> Artefact:
    return artefact.load(registry.champion_folder(registry.SHIPPED if path is None else path))


@contextmanager
def _talks(context: typer.Context, files: list[Path], site: str | None, data_dir: Path | None) -> Iterator[list[Path]]:
    """Files of conversations: those given, and those of a site's log for as long as they are learnt from."""
    if site is None:
        if not files:
            raise typer.BadParameter("give --data, or --site")
        yield files
        return
    with log_of(context, site, data_dir) as log:
        yield [*files, log.conversations()]


def _histories(
    context: typer.Context, transactions: Path | None, mapping: str, site: str | None, data_dir: Path | None
) -> training.Histories:
    """Everybody's history, from a file or from a site's log."""
    if (transactions is None) == (site is None):
        raise typer.BadParameter("give --transactions or --site")
    if transactions is not None:
        return training.Histories.of_file(transactions, parse_mapping(mapping))
    with log_of(context, site or "", data_dir) as log:
        return training.Histories.of_log(log.name, log.histories())


@train_app.command("conversations")
def train_conversations(
    context: typer.Context,
    out: Out,
    data: Talks = None,
    more: More = None,
    site: Site = None,
    data_dir: DataDir = None,
    base: Base = None,
    name: Name = "shop",
    encoder: EncoderName = "use",
    cache: Cache = Path(".cache"),
    seed: Seed = training.SEED,
    promote: Promote = False,
    augment: Augment = 0,
    search: Annotated[
        int, typer.Option("--search", min=0, help="Try so many settings first, each by a cross-validation (optuna).")
    ] = 0,
    tensorboard: Annotated[Path | None, typer.Option("--tensorboard", help="Write TensorBoard runs here.")] = None,
    lora: Lora = None,
    lora_layers: LoraLayers = ADAPTATION.layers,
    lora_epochs: LoraEpochs = ADAPTATION.epochs,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Train the conversation branch, from files, a site's log or both; the history branch is taken over from --base."""
    with refusals(), _talks(context, [*(data or []), *(more or [])], site, data_dir) as paths:
        if lora is not None and search:
            raise typer.BadParameter(
                "choose --lora or --search: a search over adapted encoders would adapt one a trial and fold"
            )
        chosen = adaptation(lora_layers, lora_epochs)
        options = training.Options(augment, search, tensorboard, adaptation=chosen, place=place(context, workers))
        with progress() as report:
            if lora is not None:
                source = lora_source(encoder)
                training.adapt_encoder(paths, source, lora, seed, report, options.adaptation)
                options, encoder = replace(options, adapted_from=source), f"packed:{lora}"
            cached = CachedEncoder(load_encoder(encoder), cache)
            branch = training.train_conversations(paths, cached, seed, report, options)
        model = training.assemble(name, cached.fingerprint, encoder, [branch], _base(base), seed)
        _finish(_with_spread(model, paths, cached), out, promote, as_json)


@train_app.command("history")
def train_history(
    context: typer.Context,
    out: Out,
    transactions: Purchases = None,
    mapping: Map = "",
    site: Site = None,
    data_dir: DataDir = None,
    base: Base = None,
    name: Name = "shop",
    horizon: Horizon = "90d",
    seed: Seed = training.SEED,
    promote: Promote = False,
    as_json: AsJson = False,
) -> None:
    """Train the history branch, from a file or a site's log; the conversation branch is taken over from --base."""
    with refusals():
        window = days(horizon)
        kept = _base(base)
        with progress() as report:
            report("histories", 0, 1)
            histories = _histories(context, transactions, mapping, site, data_dir)
            report("histories", 1, 1)
            branch = training.train_history(histories, window, seed, report)
        model = training.assemble(name, kept.encoder, kept.encoder_name, [branch], kept, seed)
        _finish(model, out, promote, as_json)


@train_app.command("anomaly")
def train_anomaly(
    transactions: Transactions,
    out: Annotated[Path, typer.Option("--out", help="The file to write: anomaly.json in the data folder serves.")],
    mapping: Map = "",
    as_json: AsJson = False,
) -> None:
    """Learn what is usual in a shop, so that unusual behaviour gets no offers. Beside churn, never in it."""
    with refusals():
        histories = read_transactions(transactions, parse_mapping(mapping))
        rows, customers = anomaly_training.population(histories, history_training.span(histories)[1])
        detector = anomaly_training.fit(rows)
        out.parent.mkdir(parents=True, exist_ok=True)
        detector.save(out)
        learnt = {"version": detector.version, "customers": len(set(customers.tolist())), "moments": len(rows)}
        answer({**learnt, "path": str(out)}, as_json, transactions.name)


@train_app.callback(invoke_without_command=True)
def train_all(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Train both branches into one artefact.")] = False,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="With --all: conversations; may be given several times.")
    ] = None,
    transactions: Annotated[
        Path | None, typer.Option("--transactions", help="With --all: CSV of transactions.")
    ] = None,
    mapping: Map = "",
    site: Site = None,
    data_dir: DataDir = None,
    out: Annotated[Path | None, typer.Option("--out", help="With --all: registry folder.")] = None,
    name: Name = "staywell",
    encoder: EncoderName = "use",
    cache: Cache = Path(".cache"),
    horizon: Horizon = "90d",
    seed: Seed = training.SEED,
    promote: Promote = False,
    augment: Augment = 0,
    as_json: AsJson = False,
) -> None:
    """Train the churn model: one branch by its command, or both at once with --all."""
    if context.invoked_subcommand is not None:
        return
    if not everything or out is None:
        raise typer.BadParameter(
            "give a branch (conversations, history), or --all with --data, --transactions (or --site) and --out"
        )
    with refusals(), _talks(context, data or [], site, data_dir) as paths:
        cached = CachedEncoder(load_encoder(encoder), cache)
        histories = _histories(context, transactions, mapping, None if transactions else site, data_dir)
        with progress() as report:
            branches = [
                training.train_history(histories, days(horizon), seed, report),
                training.train_conversations(paths, cached, seed, report, training.Options(augment)),
            ]
        model = training.assemble(name, cached.fingerprint, encoder, branches, None, seed)
        _finish(_with_spread(model, paths, cached), out, promote, as_json)
