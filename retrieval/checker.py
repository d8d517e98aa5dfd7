"""Whether a reworded reply says nothing that the retrieved, approved content does not say. Pure; both languages.

A writer may change words, never facts: figures with their units, links, benefits and promises of its text must all stand in the
grounds (the filled script, the shown products, the offer), and those of the script must not get lost. What is unclear counts
against the text: falling back to the approved wording costs little, an invented discount costs trust.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from retrieval.claims import benefits, granted, promises
from retrieval.figures import figures, links
from retrieval.text import clean, detect_language, has_hidden

Kind = Literal[
    "figure",
    "missing",
    "link",
    "image",
    "markup",
    "benefit",
    "promise",
    "hidden",
    "language",
    "length",
    "empty",
    "echo",
]
Piece = TypeVar("Piece")


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason why a text must not be sent. `found` is the offending piece, as far as it can be named."""

    kind: Kind
    found: str = ""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a reply may rest on."""

    script: str  # the approved wording, slots filled
    locale: str
    supports: tuple[str, ...] = ()  # further true texts: product titles with their prices, slot values
    links: frozenset[str] = frozenset()  # links that may be shown beside those in the script
    heard: str = ""  # what the customer wrote: no ground at all, and not to be repeated


SHORTEST = 0.35  # share of the script's length below which a text cannot say the same
ECHO_WORDS, ECHO_HAN = 5, 8  # so many words, or Chinese characters, of the customer's in a row are a repetition
_LATIN = re.compile(r"[^\W_\u3400-\u9fff]+")
_HAN = re.compile(r"[\u3400-\u9fff]")
_IMAGE = re.compile(r"!\[|<\s*img\b|data:image/|\.(?:png|jpe?g|gif|webp|svg)\b", re.IGNORECASE)
_MARKUP = re.compile(r"<[a-z/!]|<\s*/?\s*[a-z!][^>]*>|\]\(|`{3}|\{\{|\{%", re.IGNORECASE)


def check(text: str, grounds: Grounds, *, so_far: bool = False) -> list[Objection]:
    """Every reason against sending `text` in place of the script; empty when it may be sent.

    `so_far`: the text is only the beginning of one, so that what is missing may still come.
    """
    seen = clean(text, limit=20_000)
    if not seen:
        return [Objection("empty")]
    truth = "\n".join(clean(part, limit=20_000) for part in (grounds.script, *grounds.supports))
    script = clean(grounds.script, limit=20_000)
    objections = [*_form(text, seen, script, grounds)]
    objections += [Objection("link", link) for link in _new(links(seen), links(truth) | grounds.links)]
    objections += [Objection("figure", str(one)) for one in _new(figures(seen), figures(truth))]
    objections += [Objection("benefit", name) for name in _new(benefits(seen), benefits(truth))]
    objections += [Objection("benefit", name) for name in _new(granted(seen), granted(truth))]
    objections += [Objection("promise", name) for name in _new(promises(seen), promises(truth))]
    objections += [Objection("echo", run) for run in _echoed(seen, truth, grounds.heard)]
    return objections if so_far else [*objections, *_lost(seen, script)]


def _echoed(seen: str, truth: str, heard: str) -> Iterable[str]:
    """Runs of the customer's own words that a text repeats, and that the approved content does not have."""
    theirs = _runs(clean(heard, limit=20_000))
    if theirs:
        yield from sorted(theirs & _runs(seen) - _runs(truth))[:1]


def _runs(text: str) -> set[str]:
    """Every run of so many words, and of so many Chinese characters, in a row; punctuation aside."""
    words, han = _LATIN.findall(text.casefold()), "".join(_HAN.findall(text))
    found = {" ".join(words[start : start + ECHO_WORDS]) for start in range(len(words) - ECHO_WORDS + 1)}
    return found | {han[start : start + ECHO_HAN] for start in range(len(han) - ECHO_HAN + 1)}


def longest(script: str) -> int:
    """How many code points may say what the script says."""
    return 2 * len(script) + 200


def _lost(seen: str, script: str) -> Iterable[Objection]:
    """What the script says and nobody may leave out: links, amounts, and most of the rest."""
    if len(seen) < SHORTEST * len(script):
        yield Objection("length", str(len(seen)))
    for link in _new(links(script), links(seen)):
        yield Objection("missing", link)
    for one in _new(figures(script), figures(seen)):
        if one.unit in ("percent", "money"):
            yield Objection("missing", str(one))


def _form(text: str, seen: str, script: str, grounds: Grounds) -> Iterable[Objection]:
    image = _IMAGE.search(seen)
    if image:
        yield Objection("image", image.group())
    markup = _MARKUP.search(seen)
    if markup and markup.group() not in script:
        yield Objection("markup", markup.group())
    if has_hidden(text):
        yield Objection("hidden")
    if detect_language(seen) != ("zh" if grounds.locale.startswith("zh") else "en"):
        yield Objection("language", detect_language(seen))
    if len(seen) > longest(script):
        yield Objection("length", str(len(seen)))


def _new(ours: set[Piece], theirs: Iterable[Piece]) -> list[Piece]:
    return sorted(ours - set(theirs), key=str)
