"""`staywell index …`: build, inspect and ask the index from a terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from retrieval import articles as help_articles
from retrieval import catalogue, encoders, playbook, store
from retrieval.documents import KINDS, REASONS, Article, Candidate, Encoder, Product, Script, SearchContext
from retrieval.errors import NoSnapshot, RowFault
from retrieval.search import Retriever
from retrieval.text import detect_language

index_app = typer.Typer(help="Build, inspect and search the retrieval index.", no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

IndexDir = Annotated[
    Path,
    typer.Option("--index-dir", envvar="STAYWELL_INDEX_DIR", help="Folder of the index snapshots.", file_okay=False),
]
EncoderName = Annotated[
    str,
    typer.Option(
        "--encoder",
        envvar="STAYWELL_ENCODER",
        help="'use', 'e5', 'packed:NAME', or a sentence-transformers name or folder; 'none': words only.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Locale = Annotated[str | None, typer.Option(help="en or zh; by default the language of the query.")]
BandName = Annotated[str, typer.Option(help="low, elevated or high.")]
Reasons = Annotated[list[str] | None, typer.Option("--reason", help="A reason of the customer's; may be repeated.")]
Region = Annotated[str | None, typer.Option(help="Where products must be sold.")]
Tenure = Annotated[
    int | None, typer.Option(min=0, help="Days since the customer was first known; by default a stranger's.")
]
ValueYear = Annotated[
    int | None, typer.Option(min=0, help="What the customer spent in a year, minor units; by default a stranger's.")
]


@index_app.command()
def build(
    index_dir: IndexDir = Path("var/index"),
    encoder: EncoderName = "use",
    products: Annotated[
        list[Path] | None, typer.Option(help="Product files, CSV or JSON lines.", exists=True, dir_okay=False)
    ] = None,
    scripts: Annotated[
        list[Path] | None,
        typer.Option(help="Playbook files; by default the packaged ones.", exists=True, dir_okay=False),
    ] = None,
    articles: Annotated[
        list[Path] | None, typer.Option(help="Files of help articles, CSV or JSON lines.", exists=True, dir_okay=False)
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail when a row is bad instead of leaving it out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build an index snapshot and let it serve. Only new or changed texts are encoded."""
    found_scripts, faults = playbook.load(scripts or playbook.packaged())
    found_products: list[Product] = []
    found_articles: list[Article] = []
    try:
        for path in products or []:
            more, wrong = catalogue.load(path)
            found_products.extend(more)
            faults.extend(wrong)
        for path in articles or []:
            pages, wrong = help_articles.load(path)
            found_articles.extend(pages)
            faults.extend(wrong)
    except ValueError as fault:
        raise stop(str(fault)) from None
    report_faults(faults)
    if faults and strict:
        raise stop(f"{len(faults)} bad rows: nothing was built")
    try:
        with progress_bars() as progress:
            loaded = load_encoder(encoder)
            built = store.build(index_dir, found_scripts, found_products, loaded, progress, found_articles)
    except ValueError as fault:
        raise stop(str(fault)) from None
    answer = {
        "snapshot": built.name,
        "encoder": built.fingerprint,
        "counts": built.counts,
        "bad_rows": [dataclasses.asdict(fault) for fault in faults],
    }
    if as_json:
        print_json(answer)
        return
    for kind, counts in built.counts.items():
        _out.print(f"{kind}: {held(counts)}")
    _out.print(f"{built.name} serves from {index_dir}")


def held(counts: Mapping[str, int]) -> str:
    """What a collection holds, in words."""
    return f"{counts['documents']} documents, {counts['rows']} texts, {counts['encoded']} of them newly encoded"


@index_app.command()
def info(index_dir: IndexDir = Path("var/index"), encoder: EncoderName = "use", as_json: AsJson = False) -> None:
    """Say which snapshot serves, what it holds, and which newer ones were refused."""
    opened = _open(index_dir, load_encoder(encoder))
    found = opened.snapshot
    size = sum(file.stat().st_size for file in found.path.rglob("*") if file.is_file())
    answer = {
        "snapshot": found.name,
        "encoder": found.fingerprint,
        "degraded": Retriever(found).degraded,
        "bytes": size,
        "counts": found.counts,
        "refused": opened.refused,
    }
    if as_json:
        print_json(answer)
        return
    table = Table("kind", "documents", "entries", "texts", box=None)
    for kind, counts in found.counts.items():
        table.add_row(kind, *(str(counts[name]) for name in ("documents", "entries", "rows")))
    _out.print(f"{found.name}, {size / 1e6:.1f} MB, encoder {found.fingerprint or 'none: words only'}")
    _out.print(table)
    for reason in opened.refused:
        _err.print(f"refused: {reason}", style="yellow")


@index_app.command()
def search(
    query: Annotated[str, typer.Argument(help="What a customer would say.")],
    index_dir: IndexDir = Path("var/index"),
    encoder: EncoderName = "use",
    kind: Annotated[str, typer.Option(help="script, product or article.", metavar="KIND")] = "script",
    locale: Locale = None,
    band: BandName = "elevated",
    reason: Reasons = None,
    region: Region = None,
    tenure_days: Tenure = None,
    value_year: ValueYear = None,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many.")] = 5,
    every_slot: Annotated[
        bool, typer.Option("--every-slot/--no-slot", help="As if all slots and facts were known, or none.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Search the serving snapshot and say why each candidate came."""
    if kind not in KINDS:
        raise stop(f"unknown kind {kind!r}: {', '.join(KINDS[:-1])} or {KINDS[-1]}")
    if band not in ("low", "elevated", "high"):
        raise stop(f"unknown band {band!r}: low, elevated or high")
    unknown = set(reason or ()) - set(REASONS)
    if unknown:
        raise stop(f"unknown reason {min(unknown)!r}: one of {', '.join(REASONS)}")
    loaded = load_encoder(encoder)
    retriever = Retriever(_open(index_dir, loaded).snapshot)
    known, facts = _everything(retriever) if every_slot else (frozenset[str](), {})
    context = SearchContext(
        kind=kind,
        locale=locale or detect_language(query),
        k=k,
        region=region,
        band=band,  # type: ignore[arg-type]  # checked above
        reasons=tuple(reason or ()),  # type: ignore[arg-type]  # checked above
        known=known,
        facts=facts | {"tenure_days": tenure_days, "value_year": value_year},
    )
    vector = None if loaded is None else loaded.encode([query])[0]
    found = retriever.search(vector, query, context)
    if as_json:
        candidates = [
            {
                "id": one.id,
                "title": one.document.title,
                "rank": one.rank,
                "score": one.score,
                "sources": one.sources,
                "why": one.why,
                **_citation(one),
            }
            for one in found
        ]
        print_json(
            {
                "query": query,
                "kind": kind,
                "locale": context.locale,
                "degraded": retriever.degraded,
                "candidates": candidates,
            }
        )
        return
    table = Table("score", "id", "title", "why", box=None)
    for one in found:
        table.add_row(f"{one.score:.3f}", one.id, one.document.title, ", ".join(one.why))
    _out.print(table)
    for one in found:
        if one.passage is not None and isinstance(one.document, Article):
            place = " › ".join(part for part in (one.document.title, one.passage.heading) if part)
            _out.print(f"\n{place}  {one.document.url}", style="bold", markup=False)
            _out.print(one.passage.text, markup=False)


def _citation(candidate: Candidate) -> dict[str, Any]:
    """Where an article may be read, and what of it answers; nothing for other kinds."""
    if candidate.passage is None or not isinstance(candidate.document, Article):
        return {}
    return {
        "url": candidate.document.url,
        "heading": candidate.passage.heading,
        "passage": candidate.passage.text,
    }


def load_encoder(name: str) -> Encoder | None:
    """The named encoder, None for "none"; ends the command with a clear sentence when it is missing."""
    if name == "none":
        return None
    try:
        return encoders.load(name)
    except encoders.EncoderMissing as fault:
        raise stop(str(fault)) from None


def print_json(answer: Any) -> None:
    """One JSON object on standard output."""
    typer.echo(
        orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()
    )


def report_faults(faults: list[RowFault], shown: int = 20) -> None:
    """Bad rows on standard error, the first of them one by one."""
    for fault in faults[:shown]:
        _err.print(f"left out {fault}", style="yellow", markup=False)
    if len(faults) > shown:
        _err.print(f"… and {len(faults) - shown} more bad rows", style="yellow")


class progress_bars:  # noqa: N801 - used like a function: `with progress_bars() as progress`
    """One bar for each stage of a long job, on standard error; gives a callable (stage, done, total)."""

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=_err,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> progress_bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total)


def _open(index_dir: Path, encoder: Encoder | None) -> store.Opened:
    try:
        return store.current(index_dir, None if encoder is None else encoder.fingerprint)
    except NoSnapshot as fault:
        raise stop(str(fault)) from None


def _everything(retriever: Retriever) -> tuple[frozenset[str], dict[str, Any]]:
    """Slots and facts under which every script that is conditional on them is eligible."""
    snapshot = retriever.snapshot
    scripts = snapshot.collections.get("script") if snapshot is not None else None
    if scripts is None:
        return frozenset(), {}
    documents = [document for document in map(scripts.document, range(len(scripts))) if isinstance(document, Script)]
    known = frozenset(slot for document in documents for slot in document.slots)
    facts = {name: wanted for document in documents for name, wanted in document.conditions.items() if wanted is True}
    return known, facts


def stop(message: str) -> typer.Exit:
    """Says what is wrong on standard error; to be raised."""
    _err.print(message, style="red", markup=False)
    return typer.Exit(2)
