"""The widget on a page of the demo shop, for tests: finds its parts and waits for what it shows."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Frame, FrameLocator, Locator, Page, WebSocket, expect


class ChatPage:
    """`page` shows a page with the widget. Everything inside the iframe is found through `frame`."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.frame: FrameLocator = page.frame_locator("staywell-chat iframe")
        self.conversation = ""  # its id, once the chat was greeted
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        def received(payload: str | bytes) -> None:
            frame: dict[str, Any] = json.loads(payload)
            if frame["t"] in ("ready", "reset"):
                self.conversation = frame["conv"]

        socket.on("framereceived", received)

    @property
    def launcher(self) -> Locator:
        return self.page.locator("staywell-chat .launch")

    @property
    def panel(self) -> Locator:
        return self.page.locator("staywell-chat .panel")

    @property
    def log(self) -> Locator:
        return self.frame.locator("[role=log]")

    @property
    def field(self) -> Locator:
        return self.frame.locator("#field")

    @property
    def title(self) -> Locator:
        return self.frame.locator("h1")

    def open(self) -> None:
        """Opens the chat, touches it, and waits until it is there with its later parts."""
        self.launcher.click()
        self.frame.locator("main").hover()
        self.frame.locator(".footer select").wait_for()

    def say(self, text: str) -> None:
        """Types a message and sends it."""
        self.field.fill(text)
        self.field.press("Enter")
        expect(self.log).to_contain_text(text[:80])

    def bubbles(self, who: str) -> Locator:
        """Bubbles by `bot`, `agent` or `mine`."""
        return self.frame.locator(f".message.{who} .bubble")

    def wait_for_reply(self, count: int = 1) -> None:
        """Waits until the assistant has said something `count` times."""
        expect(self.bubbles("bot").nth(count - 1)).to_be_visible(timeout=30_000)

    def document(self) -> Frame:
        """The iframe's own document."""
        return next(frame for frame in self.page.frames if "/chat?" in frame.url)
