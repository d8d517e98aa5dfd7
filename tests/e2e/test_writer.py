"""A reply that a language model words is seen growing, once, and ends as what was sent."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chat_page import ChatPage
from model_server import ModelServer
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e

WATCH = """log => {
  window.seen = [];
  new MutationObserver(() => {
    const bubbles = [...log.querySelectorAll('.bubble.in:not(.typing)')].map((one) => [one.textContent, one.ariaHidden === 'true']);
    window.seen.push(bubbles);
  }).observe(log, { childList: true, subtree: true, characterData: true });
}"""


@contextmanager
def served() -> Iterator[ModelServer]:
    """The model's server in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = ModelServer()
    asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
    yield server
    asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_a_reply_is_seen_growing_and_stands_there_once(demo_of: Any, open_page: Any, tmp_path: Path) -> None:
    with served() as server:
        settings = {"WRITER": "openai", "WRITER_URL": server.url, "WRITER_MODEL": "slow"}
        demo = demo_of(tmp_path, "--no-past", **{f"STAYWELL_{name}": value for name, value in settings.items()})
        chat = ChatPage(open_page(demo.url))
        chat.open()
        chat.log.wait_for()
        chat.log.evaluate(WATCH)
        chat.say("I would like to return the kettle that I bought")
        expect(chat.bubbles("bot").last).to_contain_text("Sure,")
        final = chat.bubbles("bot").last.inner_text()
        seen = chat.log.evaluate("() => window.seen")
    growing = [text for bubbles in seen for text, hidden in bubbles if hidden]
    assert growing, "no piece of the reply was seen before it was sent"
    assert all(final.startswith(text.strip()) for text in growing)
    assert growing[0] != final
    # Never the pieces and the whole beside each other.
    assert all(sum(text.strip() in final for text, _hidden in bubbles) <= 1 for bubbles in seen)
    with sqlite3.connect(demo.database) as database:
        replies = database.execute("SELECT body FROM event WHERE sender = 'bot'").fetchall()
        writers = database.execute("SELECT json_extract(versions, '$.writer') FROM decision").fetchall()
    assert replies == [(final,)]
    assert writers == [("openai:slow",)]
