"""What every screen is held to in a browser: nothing is cut off, axe finds nothing. With STAYWELL_IMAGES its picture is kept."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PICTURED = {"desktop", "phone"}
UNPICTURED = ("light-zh", "dark-en")  # each theme and each language is pictured once, so that the pictures stay few
SIZES = {"desktop": (1440, 900), "laptop": (1280, 720), "tablet": (834, 1112), "phone": (390, 844)}


def settle(page: Page) -> None:
    """Waits until fonts and transitions have come to rest."""
    page.evaluate("document.fonts.ready.then(() => null)")
    page.wait_for_timeout(350)


def keep(page: Page, name: str) -> None:
    """Keeps a picture where one is asked for: `screens/<name>.jpg` in the folder that STAYWELL_IMAGES names."""
    folder = os.environ.get("STAYWELL_IMAGES")
    if folder and not name.endswith(UNPICTURED):
        page.wait_for_timeout(300)  # let transitions end
        page.screenshot(path=Path(folder) / "screens" / f"{name}.jpg", type="jpeg", quality=60)


def check_layout(page: Page, where: str) -> None:
    """No sideways scrolling of the page, and no button or field that is out of it."""
    width = page.viewport_size["width"]  # type: ignore[index]
    assert page.evaluate("document.documentElement.scrollWidth") <= width, where
    outside = page.evaluate(
        """(width) => [...document.querySelectorAll("button, input, select, textarea, a")]
            .filter((el) => el.offsetParent && !el.closest(".skip, .tiles, .hidden, .topbar nav, .report-table"))
            .map((el) => [el.outerHTML.slice(0, 120), el.getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.right > width + 1 || box.left < -1) && box.left > -50)
            .map(([html]) => html)""",
        width,
    )
    assert outside == [], where


def check_axe(page: Page, where: str) -> None:
    """No finding of axe, of any weight."""
    assert AXE.is_file(), "axe-core is missing: run npm ci in web/"
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate(
        "(rules) => axe.run(document, {runOnly: rules}).then((result) => result.violations.map("
        "(one) => `${one.impact} ${one.id}: ${one.nodes.map((node) => node.target).join(' | ')}`))",
        RULES,
    )
    assert found == [], f"{where}: {found}"
