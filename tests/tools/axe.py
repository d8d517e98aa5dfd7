"""axe-core, run in a page or a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from playwright.sync_api import Frame, Page

AXE: Final = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def check_axe(frame: Frame | Page, where: str) -> None:
    """Fails with what axe finds, of any impact. `where` names the state of the screen."""
    assert AXE.is_file(), "axe-core is missing: run npm ci in web/"
    frame.evaluate(AXE.read_text("utf-8"))
    found = frame.evaluate(
        "(rules) => axe.run(document, {runOnly: rules}).then((result) => result.violations.map("
        "(one) => `${one.impact} ${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`))",
        RULES,
    )
    assert found == [], where
