"""Plain text out of the HTML that shops keep in product descriptions."""

from __future__ import annotations

from html.parser import HTMLParser

from retrieval.text import clean

_SILENT = {"script", "style", "template", "noscript", "head", "title"}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden: list[str] = []  # open elements from the outermost hidden one on

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append(" ")
        if tag not in _VOID and (self._hidden or tag in _SILENT or _is_hidden(dict(attrs))):
            self._hidden.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.parts.append(" ")
        if tag in self._hidden:
            while self._hidden and self._hidden.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _is_hidden(attributes: dict[str, str | None]) -> bool:
    style = (attributes.get("style") or "").replace(" ", "").lower()
    return "hidden" in attributes or any(sign in style for sign in ("display:none", "visibility:hidden", "font-size:0"))


def plain_text(html: str, limit: int = 20_000) -> str:
    """What a reader of the page would see, without tags, scripts, comments and hidden elements."""
    reader = _Reader()
    reader.feed(html[: 4 * limit])
    reader.close()
    return clean("".join(reader.parts), limit)
