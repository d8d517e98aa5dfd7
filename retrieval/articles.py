"""Help articles: read from CSV and JSON lines, checked row by row, and cut into passages that can be quoted by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from retrieval.documents import Article, Passage
from retrieval.errors import RowFault
from retrieval.markup import clean_lines, structured_text
from retrieval.tables import documents, read_rows
from retrieval.text import clean, visible

MAX_BODY = 60_000  # code points
LONG = 480  # width from which a paragraph begins a passage of its own; a Han character is two wide
_HEADING = re.compile(r"^#{1,6}\s+(?P<name>.+?)\s*#*$")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])")
_HAN = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")
_MARKUP = re.compile(r"<(?:p|br|div|h[1-6]|ul|ol|li|a|span|strong|em|b|i|table|section|article)\b[^>]*>", re.IGNORECASE)
_EMPHASIS = re.compile(r"\*\*(?P<text>[^*\n]+)\*\*")
_LINK = re.compile(r"!?\[(?P<text>[^\]\n]*)\]\((?:[^()\s]|\([^()\s]*\))*\)")


class ArticleRow(BaseModel):
    """One help article as an importer takes it: `body` in plain text, Markdown or HTML; `updated` ISO 8601 or Unix seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    locale: Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en"
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    body: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_BODY)]
    url: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000)] = ""
    tags: tuple[Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)], ...] = Field((), max_length=40)
    updated: int = 0

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://", "/")):
            raise ValueError("must be an http(s) address or a path on the shop")
        return value

    @field_validator("tags", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        return tuple(part for part in value.split("|") if part.strip()) if isinstance(value, str) else value

    @field_validator("updated", mode="before")
    @classmethod
    def _milliseconds(cls, value: Any) -> int:
        return _time(value)

    def article(self) -> Article:
        """The article, its text cleaned of markup, link targets and hidden characters. Raises ValueError when nothing is left."""
        html = _MARKUP.search(self.body) is not None
        body = structured_text(self.body, MAX_BODY) if html else clean_lines(self.body, MAX_BODY)
        body = _EMPHASIS.sub(r"\g<text>", _LINK.sub(r"\g<text>", body))
        title = visible(self.title)
        article = Article(
            id=self.id,
            locale=self.locale,
            title=title,
            body=body,
            url=self.url,
            tags=tuple(visible(tag) for tag in self.tags),
            updated=self.updated,
        )
        if not title or not passages(article):
            raise ValueError("body: no text is left without markup and headings")
        return article


def load(path: Path, defaults: dict[str, Any] | None = None) -> tuple[list[Article], list[RowFault]]:
    """Articles of all good rows of a `.csv` or `.jsonl` file (also `.gz`), and what is wrong with the others.

    Columns are the fields of `ArticleRow`; in a CSV, `tags` stand as "returns|refund". `defaults` fill fields that a row leaves
    out. Raises ValueError when the file as a whole cannot be read.
    """

    def make(fields: dict[str, Any]) -> Article:
        return ArticleRow.model_validate({**(defaults or {}), **fields}).article()

    return documents(read_rows(path), make, path.name)


def passages(article: Article) -> list[Passage]:
    """The article cut at its headings, long parts at paragraphs, paragraphs longer than that at sentences; in their order."""
    found: list[Passage] = []
    heading = ""
    lines: list[str] = []

    def close() -> None:
        found.extend(Passage(heading, text) for text in _pieces("\n".join(lines)))
        lines.clear()

    for line in article.body.splitlines():
        match = _HEADING.match(line)
        if match is None:
            lines.append(line)
        else:
            close()
            heading = match["name"]
    close()
    return found


def passage_text(article: Article, passage: Passage) -> str:
    """What of a passage is indexed: where it stands, and what it says."""
    parts = (article.title, passage.heading, passage.text, " ".join(article.tags))
    return clean(" . ".join(part for part in parts if part))


def _pieces(text: str) -> Iterator[str]:
    """Neighbouring paragraphs gathered up to LONG."""
    gathered = ""
    for block in re.split(r"\n\s*\n", text):
        for part in _parts(block.strip()):
            if gathered and _width(gathered) + _width(part) > LONG:
                yield gathered
                gathered = ""
            gathered = f"{gathered}\n{part}" if gathered else part
    if gathered:
        yield gathered


def _parts(block: str) -> Iterator[str]:
    """A paragraph as it stands, or in runs of sentences where it is too long."""
    if _width(block) <= LONG:
        if block:
            yield block
        return
    run = ""
    for sentence in (part for part in _SENTENCE.split(block) if part.strip()):
        if run and _width(run) + _width(sentence) > LONG:
            yield run
            run = ""
        space = " " if run and not _HAN.match(run[-1]) else ""
        run += space + sentence.strip()
    if run:
        yield run


def _width(text: str) -> int:
    return len(text) + len(_HAN.findall(text))


def _time(value: Any) -> int:
    """UTC milliseconds of a date, an ISO 8601 time, Unix seconds or milliseconds. Raises ValueError."""
    if value in (None, ""):
        return 0
    text = str(value).strip()
    if text.replace(".", "", 1).isdigit():
        number = float(text)
        return round(number if number >= 1e11 else number * 1_000)
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
