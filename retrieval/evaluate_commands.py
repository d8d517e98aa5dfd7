"""`staywell evaluate retrieval|scripts|recommend`: plain command functions, mounted by whoever owns the command line."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from retrieval import baskets, catalogue, intents, judged, store
from retrieval.commands import AsJson, EncoderName, load_encoder, print_json, progress_bars, report_faults, stop
from retrieval.documents import Encoder, Product
from retrieval.recommend import DAY_MS
from retrieval.rerank import Reranker

_out = Console(highlight=False, soft_wrap=True)


def retrieval(
    products: Annotated[Path, typer.Option(help="Product file, CSV or JSON lines.", exists=True, dir_okay=False)],
    judgements: Annotated[
        Path, typer.Option(help="CSV with the columns query, docid, rating (0..3).", exists=True, dir_okay=False)
    ],
    tune: Annotated[
        Path | None,
        typer.Option(
            help="Judgements of other queries to fit fusion and re-ranker on; without it, cross-validation.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Folder to save the tuned re-ranker in (with --tune).", file_okay=False)
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="Folder to keep the index in, so that the next run is quick.", file_okay=False)
    ] = None,
    encoder: EncoderName = "use",
    as_json: AsJson = False,
) -> None:
    """Product search against judged queries: nDCG@10, recall and MRR of every way of ranking, with intervals.

    Unjudged documents count as not relevant; `judged_ndcg@10` ranks the judged documents alone. `dense` and `sparse` are the
    plain baselines (one vector of the title, one BM25 over all text); `…_described` use title and description, as the index does.
    """
    loaded = load_encoder(encoder)
    if loaded is None:
        raise stop("evaluation needs an encoder")
    if save is not None and tune is None:
        raise stop("--save needs --tune: a re-ranker is only worth keeping when it is fitted on all queries of a file")
    try:
        found, faults = catalogue.load(products)
        graded, more = judged.load_judgements(judgements)
        others, wrong = judged.load_judgements(tune) if tune is not None else ({}, [])
    except ValueError as fault:
        raise stop(str(fault)) from None
    report_faults([*faults, *more, *wrong])
    if not found or not graded:
        raise stop("no products or no judgements are left to evaluate")
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bars())
        folder = work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="staywell-")))
        bench = _bench(folder, found, loaded, progress)
        queries = bench.prepare(graded, lambda done, total: progress("queries", done, total))
        tuned: Reranker | None = None
        if others:
            seen = {query.text for query in queries}
            apart = {text: grades for text, grades in others.items() if text not in seen}
            try:
                tuned = judged.tune(bench.prepare(apart), loaded.fingerprint)
            except ValueError as fault:
                raise stop(str(fault)) from None
        answer = judged.evaluate(
            queries, tuned, loaded.fingerprint, lambda done, total: progress("cross-validation", done, total)
        )
    if tuned is not None and save is not None:
        tuned.save(save)
    answer["n_products"] = len(found)
    answer["encoder"] = loaded.fingerprint
    if as_json:
        print_json(answer)
        return
    _show(answer)


def _bench(folder: Path, products: list[Product], encoder: Encoder, progress: Any) -> judged.Bench:
    snapshot = store.build(folder / "index", [], products, encoder, progress)
    collection = snapshot.collections["product"]
    titles = [collection.document(number).title for number in range(len(collection))]
    batches = []
    for start in range(0, len(titles), 512):
        batches.append(encoder.encode(titles[start : start + 512]))
        progress("plain vectors", min(start + 512, len(titles)), len(titles))
    return judged.Bench(collection, encoder, judged.stacked(batches))


def _show(answer: dict[str, Any]) -> None:
    names = ("ndcg@10", "judged_ndcg@10", "recall@10", "recall@100", "mrr")
    table = Table("", *names, box=None)
    for way in judged.WAYS:
        cells = []
        for name in names:
            low, high = answer["intervals"][name][way]
            cells.append(f"{answer[name][way]:.3f} ({low:.2f}–{high:.2f})")
        table.add_row(way, *cells)
    _out.print(f"{answer['n_queries']} queries, {answer['n_products']} products, tuned by {answer['tuned_on']}")
    _out.print(table)
    for name in names[:2]:
        for way in ("sparse", "dense"):
            gain = answer["gain"][name][way]
            share = answer[name]["reranked"] / answer[name][way] if answer[name][way] else float("inf")
            _out.print(
                f"{name}: re-ranked is {share:.2f} × {way}, {gain['difference']:+.3f} ({gain['low']:+.3f} … {gain['high']:+.3f})"
            )


def scripts(
    data: Annotated[
        Path, typer.Option(help="CSV with the columns text and category: the corpus.", exists=True, dir_okay=False)
    ],
    test: Annotated[
        Path | None,
        typer.Option(
            help="CSV of questions to ask; without it, five folds of --data, equal wordings kept in one fold.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    encoder: EncoderName = "use",
    as_json: AsJson = False,
) -> None:
    """Scripts found by intent: each intent is a script with its questions as examples, searched as the bot searches."""
    loaded = load_encoder(encoder)
    if loaded is None:
        raise stop("evaluation needs an encoder")
    try:
        corpus, faults = intents.load_questions(data)
        asked, more = intents.load_questions(test) if test is not None else ([], [])
    except ValueError as fault:
        raise stop(str(fault)) from None
    report_faults([*faults, *more])
    if len(corpus) < 2 * intents.FOLDS:
        raise stop("too few questions are left to evaluate")
    hits: dict[str, list[float]] = {}
    parts = [(corpus, asked)] if test is not None else intents.folds(corpus)
    with progress_bars() as progress, tempfile.TemporaryDirectory(prefix="staywell-") as folder:
        for number, (known, questions) in enumerate(parts, start=1):
            name = f"questions {number}/{len(parts)}"
            found = intents.evaluate(
                known,
                questions,
                loaded,
                Path(folder),
                progress,
                lambda done, total, name=name: progress(name, done, total),  # type: ignore[misc]
            )
            for way, values in found.items():
                hits.setdefault(way, []).extend(values)
    answer = intents.summary(hits, len({one.intent for one in corpus}))
    answer |= {"n_examples": len(corpus), "encoder": loaded.fingerprint}
    if as_json:
        print_json(answer)
        return
    table = Table("", "@1", "@3", box=None)
    for way, label in (("sparse", "words alone"), ("accuracy", "words and meaning")):
        cells = [
            f"{answer[f'{way}@{k}']:.3f} ({answer['intervals'][f'{way}@{k}'][0]:.3f}–{answer['intervals'][f'{way}@{k}'][1]:.3f})"
            for k in (1, 3)
        ]
        table.add_row(label, *cells)
    _out.print(f"{answer['n_queries']} questions, {answer['n_intents']} intents, {len(corpus)} examples")
    _out.print(table)


def recommend(
    transactions: Annotated[Path, typer.Option(help="CSV of order lines.", exists=True, dir_okay=False)],
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="field=Column,… for customer, order, product, at, quantity where they are called otherwise."
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, help="Length of the test window, and of each training window before.")
    ] = 30,
    save: Annotated[
        Path | None,
        typer.Option(help="Folder to save a recommender in that is learned on all orders.", file_okay=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Next basket of customers who come back, split by time and ranked over all products, against plain recommenders."""
    try:
        orders, faults = baskets.load_orders(transactions, baskets.parse_mapping(mapping or []))
        report_faults(faults)
        if not orders:
            raise stop("no purchases are left to evaluate")
        window = days * DAY_MS
        end = max(lines[-1].at_ms for lines in orders.values()) + 1
        with progress_bars() as progress:
            answer = baskets.evaluate(orders, end - window, end, window, progress)
            if save is not None:
                baskets.learn(orders, end, window, progress).save(save)
    except ValueError as fault:
        raise stop(str(fault)) from None
    except ImportError as fault:
        raise stop(f"{fault.name} is missing: pip install 'staywell[train]'") from None
    answer["days"] = days
    if as_json:
        print_json(answer)
        return
    table = Table("", "nDCG@10", "hit@10", "coverage", "blend better by (nDCG@10)", box=None)
    for way in baskets.WAYS:
        gain = answer["gain"]["ndcg@10"].get(way)
        low, high = answer["intervals"]["ndcg@10"][way]
        table.add_row(
            way,
            f"{answer['ndcg@10'][way]:.4f} ({low:.4f}–{high:.4f})",
            f"{answer['hit@10'][way]:.3f}",
            f"{answer['coverage'][way]:.3f}",
            "" if gain is None else f"{gain['difference']:+.4f} ({gain['low']:+.4f} … {gain['high']:+.4f})",
        )
    _out.print(f"{answer['n_customers']} customers, {answer['n_products']} products, last {days} days")
    _out.print(table)
