"""The demo's help pages lead somewhere: every address of an article shows it, in its language, as text."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from assistant.demo import data
from assistant.demo.routes import build_router
from assistant.errors import NotFound


@pytest.fixture
async def client() -> Any:
    app = FastAPI()
    app.include_router(build_router(None, lambda: 0, frozenset({"http://localhost"})))  # type: ignore[arg-type]  # no site asked
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as made:
        yield made


async def test_every_article_stands_at_its_address(client: httpx.AsyncClient) -> None:
    for article in data.load_articles():
        answer = await client.get(article.url)
        assert answer.status_code == 200
        assert f'lang="{article.locale}"' in answer.text
        assert article.title in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_another_page_is_not_found(client: httpx.AsyncClient) -> None:
    with pytest.raises(NotFound):
        await client.get("/help/nowhere")
