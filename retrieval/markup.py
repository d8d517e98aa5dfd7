"""Plain text out of the HTML that shops keep in product descriptions and help pages."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from retrieval.text import clean, visible

_SILENT = {"script", "style", "template", "noscript", "head", "title"}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


# What stands before an element of a page, where its structure is kept.
_HEADINGS = {f"h{level}": f"\n\n{'#' * level} " for level in range(1, 7)}
_BLOCKS = {**dict.fromkeys(("p", "div", "section", "article", "ul", "ol", "table", "blockquote"), "\n\n"), **_HEADINGS}
_LINES = {"br": "\n", "tr": "\n", "li": "\n- ", "dt": "\n", "dd": "\n"}


class _Reader(HTMLParser):
    def __init__(self, *, structure: bool = False) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._structure = structure
        self._hidden: list[str] = []  # open elements from the outermost hidden one on

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append(_BLOCKS.get(tag) or _LINES.get(tag, " ") if self._structure else " ")
        if tag not in _VOID and (self._hidden or tag in _SILENT or _is_hidden(dict(attrs))):
            self._hidden.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.parts.append("\n\n" if self._structure and tag in _BLOCKS else " ")
        if tag in self._hidden:
            while self._hidden and self._hidden.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(" ".join(data.splitlines()) if self._structure else data)


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    style = (attributes.get("style") or "").replace(" ", "").lower()
    return "hidden" in attributes or any(sign in style for sign in ("display:none", "visibility:hidden", "font-size:0"))


def plain_text(html: str, limit: int = 20_000) -> str:
    """What a reader of the page would see, without tags, scripts, comments and hidden elements."""
    reader = _Reader()
    reader.feed(html[: 4 * limit])
    reader.close()
    return clean("".join(reader.parts), limit)


def structured_text(html: str, limit: int = 20_000) -> str:
    """What a reader of the page would see, headings as `# lines` and paragraphs apart by an empty line."""
    reader = _Reader(structure=True)
    reader.feed(html[: 4 * limit])
    reader.close()
    return clean_lines("".join(reader.parts), limit)


def clean_lines(text: str, limit: int = 20_000) -> str:
    """`visible`, line by line: line breaks stay, more than one empty line in a row becomes one."""
    lines = [visible(line, limit) for line in text[: 4 * limit].splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()[:limit].rstrip()
