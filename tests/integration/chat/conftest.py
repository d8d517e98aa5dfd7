"""The chat, really served on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.tools.chat_server import ChatServer, serve_chat
from tests.tools.postgres import Cluster


@pytest.fixture
async def chat_server(tmp_path: Path) -> AsyncIterator[ChatServer]:
    """The chat on a port of its own, with a generous rate."""
    async with serve_chat(tmp_path) as server:
        yield server


@pytest.fixture
async def workers(tmp_path: Path, postgres: Cluster) -> AsyncIterator[list[ChatServer]]:
    """Two workers over one PostgreSQL, each with a port of its own."""
    url = postgres.migrated()
    async with serve_chat(tmp_path, database_url=url) as one, serve_chat(tmp_path, database_url=url) as other:
        yield [one, other]
