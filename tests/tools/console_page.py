"""The agents' console in a browser, for tests: makes an agent the holder of a conversation, whatever state it is in."""

from __future__ import annotations

import contextlib
import time

from playwright.sync_api import Error, Page

TAKE_S = 20


def take(page: Page, conv: str) -> None:
    """Opens a conversation on a logged-in console and makes this agent its holder: by what its head offers to do, or, while it is
    offered to this agent, by accepting the offer."""
    address = f"{page.url.split('?')[0]}?conv={conv}"
    holds = page.locator("[aria-keyshortcuts=e]")
    free = page.locator(".head-do .btn.primary, .head-do [aria-keyshortcuts=t]")
    offered = page.locator(".offer .btn.primary")
    deadline = time.monotonic() + TAKE_S
    while not (page.url == address and holds.count()):
        assert time.monotonic() < deadline, "could not become the holder"
        if page.url != address:  # at first; and when the offer was of another conversation
            page.goto(address)
            page.locator(".head").wait_for()
        button = free if free.count() else offered
        if button.count():
            with contextlib.suppress(Error):  # it changed under our hands: look again
                button.first.click(timeout=1000)
        page.wait_for_timeout(300)
