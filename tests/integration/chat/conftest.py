"""The chat, really served on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.chat_client import Contact, new_session
from tests.tools.chat_server import Chat, build, free_port, serving
from tests.tools.postgres import Cluster


@dataclass
class ChatServer:
    """A chat that is being served, and a way to be a contact of it."""

    chat: Chat
    base: str

    async def contact(self, token: str | None = None) -> Contact:
        """A contact with a token, a new guest's by default; not connected yet."""
        return Contact(self.base, token or (await new_session(self.base))["token"])


@pytest.fixture
async def chat_server(tmp_path: Path) -> AsyncIterator[ChatServer]:
    """The chat on a port of its own, with a generous rate."""
    port = free_port()
    chat = build(tmp_path / "var", port=port, messages_per_10s=1000)
    async with serving(chat, port):
        yield ChatServer(chat, f"http://127.0.0.1:{port}")


@pytest.fixture
async def workers(tmp_path: Path, postgres: Cluster) -> AsyncIterator[list[ChatServer]]:
    """Two workers over one PostgreSQL, each with a port of its own."""
    url = postgres.migrated()
    async with AsyncExitStack() as stack:
        served = []
        for _ in range(2):
            port = free_port()
            chat = build(tmp_path / "var", port=port, messages_per_10s=1000, database_url=url)
            await stack.enter_async_context(serving(chat, port))
            served.append(ChatServer(chat, f"http://127.0.0.1:{port}"))
        yield served
