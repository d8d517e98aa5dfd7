"""`staywell bench encoder`: what an encoder costs a turn, and what packing turns that wait together saves.

Each encoder has a process of its own, on one thread, with all that it keeps already made. Costs are processor time, and ways that
are compared take turns within each round, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import gzip
import multiprocessing
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import orjson
import typer
from rich.console import Console
from rich.table import Table

from retrieval import parity, playbook
from retrieval.commands import AsJson, print_json, progress_bars, stop
from retrieval.documents import Encoder
from retrieval.encoders import SentenceTransformersEncoder, load
from retrieval.errors import EncoderMissing
from retrieval.text import detect_language

SAMPLE: Final = 200
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
_out = Console(highlight=False, soft_wrap=True)


def encoder(
    name: Annotated[
        list[str] | None,
        typer.Option("--encoder", help="An encoder's name; may be given several times. By default use, hash and e5."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Conversations (JSONL, maybe .gz) whose customers' turns are encoded; by default the playbook's examples.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    sessions: Annotated[int, typer.Option(min=2, max=512, help="Turns that wait at the same time.")] = 32,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in which the ways take turns.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Cost a turn, memory and start of encoders; packed against one at a time, padded, and sentence-transformers.

    Only BERT-like encoders can be packed (e5, packed:NAME). What an encoder is worth is measured by
    `staywell evaluate cross-validate --encoder NAME` and `staywell evaluate scripts --encoder NAME`.
    """
    turns = _turns(data) if data else _examples()
    if not turns:
        raise stop("no customer's turn was found in the data")
    results = []
    names = name or ["use", "hash", "e5"]
    with progress_bars() as progress:
        progress("encoders", 0, len(names))
        for done, one in enumerate(names, start=1):
            try:
                _alone(prepare, one)
                results.append(_alone(measure, one, turns, sessions, rounds))
            except EncoderMissing as fault:
                raise stop(str(fault)) from None
            progress("encoders", done, len(names))
    if as_json:
        print_json({"threads": 1, "sessions": sessions, "rounds": rounds, "encoders": results})
        return
    _show(results, sessions)


def prepare(name: str) -> None:
    """Loads the encoder, so that what it makes at first use is there. Raises `EncoderMissing`."""
    load(name).encode(["hello"])


def measure(name: str, turns: dict[str, list[str]], sessions: int, rounds: int) -> dict[str, Any]:
    """The encoder called `name` in this process. `turns` by language; costs are milliseconds of processor time a text."""
    before, began = _peak_mb(), time.perf_counter()
    loaded = load(name)
    loaded.encode(["hello"])
    result: dict[str, Any] = {
        "encoder": name,
        "fingerprint": loaded.fingerprint,
        "dim": loaded.dim,
        "start_s": time.perf_counter() - began,
    }
    result["ms_a_turn"] = {
        language: _cost(lambda texts=texts: [loaded.encode([text]) for text in texts], len(texts))  # type: ignore[misc]
        for language, texts in turns.items()
    }
    result["memory_mb"] = _peak_mb() - before
    if (way := getattr(loaded, "way", None)) is not None:
        result["way"] = way
        waiting = _mixed(turns, sessions)
        result |= _ways(name.partition(":")[2] or name, loaded, waiting, rounds)
        result |= _parity(name.partition(":")[2] or name, loaded, turns)
    return result


def _ways(model: str, packed: Encoder, texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Ways of encoding turns that wait together, interleaved."""
    import torch

    torch.set_num_threads(1)
    plain, half, exact = SentenceTransformersEncoder(model), load(f"packed-bf16:{model}"), load(f"packed-torch:{model}")
    ways: dict[str, Callable[[], object]] = {
        "sentence_transformers_a_turn": lambda: [plain.encode([text]) for text in texts],
        "sentence_transformers_padded": lambda: plain.encode(texts),
        "one_at_a_time": lambda: [packed.encode([text]) for text in texts],
        "packed": lambda: packed.encode(texts),
        "packed_torch": lambda: exact.encode(texts),
        "packed_torch_bf16": lambda: half.encode(texts),
    }
    costs: dict[str, list[float]] = {way: [] for way in ways}
    for run in ways.values():
        run()
    for _ in range(rounds):
        for way, run in ways.items():
            costs[way].append(_cost(run, len(texts)))
    middle = {way: statistics.median(values) for way, values in costs.items()}
    return {
        "ms_a_text": middle,
        "packed_over_one_at_a_time": _ratio(costs["one_at_a_time"], costs["packed"]),
        "packed_over_padded": _ratio(costs["sentence_transformers_padded"], costs["packed"]),
        "packed_over_sentence_transformers": _ratio(costs["sentence_transformers_a_turn"], costs["packed"]),
    }


def _parity(model: str, packed: Encoder, turns: dict[str, list[str]]) -> dict[str, Any]:
    """Lowest cosine to sentence-transformers' own vectors over all texts, and between alone and in company."""
    texts = [*parity.texts(), *(text for found in turns.values() for text in found)]
    exact = SentenceTransformersEncoder(model).encode(texts)
    together = packed.encode(texts)
    alone = np.concatenate([packed.encode([text]) for text in texts])
    half = load(f"packed-bf16:{model}").encode(texts)
    return {
        "texts": len(texts),
        "lowest_cosine": parity.lowest_cosine(together, exact),
        "lowest_cosine_alone": parity.lowest_cosine(together, alone),
        "lowest_cosine_bf16": parity.lowest_cosine(half, exact),
    }


def _ratio(above: list[float], below: list[float]) -> float:
    """Median over the rounds of the ratio within a round."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def _cost(run: Callable[[], object], texts: int) -> float:
    began = time.process_time()
    run()
    return (time.process_time() - began) / texts * 1e3


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Runs `work` in a fresh process with one thread."""
    kept = {key: os.environ.get(key) for key in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(work, *arguments).result()
    finally:
        for key, value in kept.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


def _turns(files: Sequence[Path]) -> dict[str, list[str]]:
    """The first `SAMPLE` customers' turns of each language in the files."""
    found: dict[str, list[str]] = {}
    for file in files:
        opened = gzip.open if file.suffix == ".gz" else open
        try:
            with opened(file, "rb") as lines:
                for line in lines:
                    for message in orjson.loads(line)["messages"]:
                        if message["role"] in ("customer", "contact") and message["text"].strip():
                            texts = found.setdefault(detect_language(message["text"]), [])
                            if len(texts) < SAMPLE:
                                texts.append(message["text"])
        except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError):
            raise stop(f"{file} does not hold conversations, one JSON object a line with messages") from None
    return found


def _examples() -> dict[str, list[str]]:
    scripts, _ = playbook.load(playbook.packaged())
    found: dict[str, list[str]] = {}
    for script in scripts:
        found.setdefault(script.locale, []).extend(script.examples)
    return {language: texts[:: max(1, len(texts) // SAMPLE)][:SAMPLE] for language, texts in found.items()}


def _mixed(turns: dict[str, list[str]], count: int) -> list[str]:
    """`count` turns, the languages in turn."""
    languages = [texts for texts in turns.values() if texts]
    return [
        languages[number % len(languages)][number // len(languages) % len(languages[number % len(languages)])]
        for number in range(count)
    ]


def _show(results: list[dict[str, Any]], sessions: int) -> None:
    table = Table("encoder", "dim", "ms a turn", "start s", "memory MB", box=None)
    for one in results:
        costs = ", ".join(f"{language} {cost:.2f}" for language, cost in sorted(one["ms_a_turn"].items()))
        table.add_row(one["encoder"], str(one["dim"]), costs, f"{one['start_s']:.1f}", f"{one['memory_mb']:.0f}")
    _out.print(table)
    for one in results:
        if "ms_a_text" not in one:
            continue
        _out.print(f"\n{one['encoder']} ({one['way']}), {sessions} turns at once, ms a text:")
        for way, cost in one["ms_a_text"].items():
            _out.print(f"  {way.replace('_', ' '):<30} {cost:.2f}")
        _out.print(
            f"  packed is {one['packed_over_one_at_a_time']:.2f} × one at a time, {one['packed_over_padded']:.2f} × padded, "
            f"{one['packed_over_sentence_transformers']:.2f} × a sentence-transformers call a turn; "
            f"lowest cosine {one['lowest_cosine']:.6f} (bf16 {one['lowest_cosine_bf16']:.6f}) over {one['texts']} texts"
        )
