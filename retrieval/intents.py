"""Scripts found by intent: labelled questions as the playbook of a test, searched exactly as the bot searches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retrieval import codec, metrics, store, tables
from retrieval.collection_build import Progress
from retrieval.documents import Encoder, Script, SearchContext
from retrieval.errors import RowFault
from retrieval.search import Retriever
from retrieval.text import clean, detect_language, tokens

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asked, and the intent that a person gave it."""

    text: str
    intent: str


def load_questions(path: Path) -> tuple[list[Question], list[RowFault]]:
    """Questions from a CSV with the columns text and category (or intent); also `.gz`. Raises ValueError for no such file."""
    header, rows = tables.by_header(path)
    names = {name.lower(): name for name in header}
    wording, label = names.get("text"), names.get("category", names.get("intent"))
    if wording is None or label is None:
        raise ValueError(f"{path.name}: expected the columns text and category")
    found: list[Question] = []
    faults: list[RowFault] = []
    for line, row in rows:
        if isinstance(row, str):
            faults.append(RowFault(line, row, path.name))
            continue
        text, intent = clean(row.get(wording, "")), row.get(label, "").strip()
        if text and intent:
            found.append(Question(text, intent))
        else:
            faults.append(RowFault(line, "text or category is empty", path.name))
    return found, faults


def folds(questions: Sequence[Question], count: int = FOLDS) -> list[tuple[list[Question], list[Question]]]:
    """Corpus and questions for each fold. Questions with the same words, in any order, stay in one fold."""
    group = [int(codec.digest(" ".join(sorted(set(tokens(one.text)))).encode())[:8], 16) % count for one in questions]
    return [
        (
            [one for one, own in zip(questions, group, strict=True) if own != held],
            [one for one, own in zip(questions, group, strict=True) if own == held],
        )
        for held in range(count)
    ]


def scripts_of(corpus: Sequence[Question]) -> list[Script]:
    """One script an intent, with the corpus's questions as its examples."""
    examples: dict[tuple[str, str], list[str]] = {}
    for one in corpus:
        examples.setdefault((one.intent, detect_language(one.text)), []).append(one.text)
    return [
        Script(
            id=f"{intent}@{locale}",
            family=intent,
            locale=locale,
            title=intent.replace("_", " "),
            text=intent,
            intent=intent,
            stage="clarify",
            examples=tuple(dict.fromkeys(texts)),
            approved_by="evaluation",
        )
        for (intent, locale), texts in sorted(examples.items())
    ]


def evaluate(
    corpus: Sequence[Question],
    asked: Sequence[Question],
    encoder: Encoder,
    folder: Path,
    progress: Progress | None = None,
    ask: Callable[[int, int], None] | None = None,
) -> dict[str, list[float]]:
    """For each question, by way of searching: 1.0 where its intent is first (`accuracy@1`) or among the first three."""
    snapshot = store.build(folder, scripts_of(corpus), [], encoder, progress)
    retriever = Retriever(snapshot)
    vectors = encoder.encode([one.text for one in asked])
    hits: dict[str, list[float]] = {name: [] for name in ("sparse@1", "sparse@3", "accuracy@1", "accuracy@3")}
    for number, (one, vector) in enumerate(zip(asked, vectors, strict=True), start=1):
        context = SearchContext("script", detect_language(one.text), k=3, band="high")
        for way, query in (("sparse", None), ("accuracy", vector)):
            families = [getattr(found.document, "family", "") for found in retriever.search(query, one.text, context)]
            hits[f"{way}@1"].append(float(families[:1] == [one.intent]))
            hits[f"{way}@3"].append(float(one.intent in families))
        if ask is not None:
            ask(number, len(asked))
    return hits


def summary(hits: dict[str, list[float]], intents: int) -> dict[str, Any]:
    """The object that the command prints."""
    answer: dict[str, Any] = {"n_queries": len(hits["accuracy@1"]), "n_intents": intents}
    for name, values in hits.items():
        answer[name] = float(np.mean(values)) if values else 0.0
    answer["intervals"] = {name: list(metrics.interval(values)) for name, values in hits.items()}
    return answer
