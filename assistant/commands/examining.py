"""`staywell evaluate answers`: labelled messages answered as a conversation would answer them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.commands.common import Json, err, out, plain_errors, print_json, progress
from assistant.errors import BadInput
from assistant.turns import examination
from assistant.turns.examination import Answered
from retrieval import articles as help_articles
from retrieval import playbook, store
from retrieval.documents import Article
from retrieval.encoders import EncoderMissing, load

MESSAGES = "messages that the playbook should answer, one JSON object a line: text, language, accept, passages, split, previous"


@plain_errors
def answers(
    file: Annotated[
        Path, typer.Argument(help=f"Labelled {MESSAGES}.", exists=True, dir_okay=False, show_default=False)
    ],
    split: Annotated[str, typer.Option(help="dev, test, or all.")] = "test",
    scripts: Annotated[
        list[Path] | None,
        typer.Option(help="Playbook files; by default the packaged ones.", exists=True, dir_okay=False),
    ] = None,
    articles: Annotated[
        list[Path] | None,
        typer.Option(
            help="Files of help articles: also as answered by a shop that has them.", exists=True, dir_okay=False
        ),
    ] = None,
    languages: Annotated[
        bool,
        typer.Option(
            "--languages", help="Also with examples in the message's own language only, and in the other only."
        ),
    ] = False,
    context: Annotated[
        bool,
        typer.Option(
            "--context",
            help="Of messages with something before them: read as the assistant does, alone, and always joined to it.",
        ),
    ] = False,
    failures: Annotated[
        bool, typer.Option("--failures", help="List the messages that were not answered right.")
    ] = False,
    encoder: Annotated[str, typer.Option(help="The encoder.")] = "use",
    json: Json = False,
) -> None:
    """How often the assistant answers right, asks back, or says something wrong, and how honest its relevance is."""
    if split not in ("dev", "test", "all"):
        raise BadInput("--split is dev, test or all")
    try:
        loaded = load(encoder)
    except EncoderMissing as fault:
        raise BadInput(str(fault)) from None
    found, faults = playbook.load(scripts or list(playbook.packaged()))
    messages, wrong = examination.load(file)
    pages: list[Article] = []
    for path in articles or []:
        try:
            more, bad = help_articles.load(path)
        except ValueError as fault:
            raise BadInput(str(fault)) from None
        pages += more
        faults += bad
    for line in [*map(str, faults), *wrong]:
        err.print(f"  {line}", markup=False, highlight=False)
    asked = [message for message in messages if split in ("all", message.split)]
    if not asked or not found:
        raise BadInput("no messages or no scripts are left to evaluate")
    ways = {"both": found}
    if languages:
        ways |= {"en": examination.in_languages(found, "en"), "zh": examination.in_languages(found, "zh")}
    after = [message for message in asked if message.previous] if context else []
    readings = {
        "in_context": after,
        "alone": [*map(examination.alone, after)],
        "joined": [*map(examination.joined, after)],
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="staywell-")))
        step = stack.enter_context(
            progress("Answering", len(asked) * (len(ways) + bool(pages)) + 3 * len(after), quiet=json)
        )
        indices = {way: store.build(folder / way, known, [], loaded) for way, known in ways.items()}
        if pages:
            indices["with_articles"] = store.build(folder / "with_articles", found, [], loaded, None, pages)
        answered = {way: examination.answer(asked, index, loaded, lambda: step(1)) for way, index in indices.items()}
        result = _result(answered) | {"split": split, "encoder": loaded.fingerprint}
        if after:
            result |= {
                way: examination.summary(examination.answer(messages, indices["both"], loaded, lambda: step(1)))
                for way, messages in readings.items()
            }
    if json:
        print_json(result)
        return
    _show(result)
    if failures:
        for one in answered.get("with_articles", answered["both"]):
            if one.right < 0.5:
                out.print(
                    f"  {one.message.text}\n    → {one.said}; {', '.join(one.ranked[:3])}",
                    markup=False,
                    highlight=False,
                )


def _result(answered: dict[str, list[Answered]]) -> dict[str, Any]:
    both = answered["both"]
    result: dict[str, Any] = {"all": examination.summary(both)}
    for language in ("en", "zh"):
        result[language] = examination.summary([one for one in both if one.message.language == language])
    if "with_articles" in answered:
        result["with_articles"] = examination.summary(answered["with_articles"])
    if "en" in answered:
        own = [one for way in ("en", "zh") for one in answered[way] if one.message.language == way]
        other = [one for way in ("en", "zh") for one in answered[way] if one.message.language != way]
        result["same_language"], result["cross_language"] = examination.summary(own), examination.summary(other)
    return result


def _show(result: dict[str, Any]) -> None:
    shown = (
        "accuracy@1",
        "accuracy@3",
        "right",
        "wrong",
        "confidently_wrong",
        "clarified",
        "person",
        "page",
        "out_of_scope_answered",
    )
    for part, figures in result.items():
        if not isinstance(figures, dict):
            continue
        out.print(f"{part}: {figures['n']} messages, {figures['n_out_of_scope']} out of scope", highlight=False)
        for name in shown:
            if figures[name] is not None:
                low, high = figures[f"{name}_interval"]
                out.print(f"  {name:<22} {figures[name]:.3f} ({low:.3f}–{high:.3f})", highlight=False)
        if figures["calibration"]["ece"] is not None:
            out.print(f"  {'calibration error':<22} {figures['calibration']['ece']:.3f}", highlight=False)
