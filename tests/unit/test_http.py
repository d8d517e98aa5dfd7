from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from assistant.errors import Conflict, RateLimited
from assistant.http import BodyLimit, SecurityHeaders, install_error_handlers
from assistant.pages import build_router


class Payload(BaseModel):
    number: int


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_error_handlers(app)

    async def site_origins(key: str) -> list[str] | None:
        return ["https://shop.example"] if key == "demo" else None

    @app.get("/conflict")
    async def conflict() -> None:
        raise Conflict("taken", code="taken")

    @app.get("/rate")
    async def rate() -> None:
        raise RateLimited("slow down", after_ms=1500)

    @app.get("/bug")
    async def bug() -> None:
        raise KeyError("secret detail")

    @app.post("/payload")
    async def payload(body: Payload) -> Payload:
        return body

    app.include_router(build_router(frozenset({"https://chat.example"}), site_origins))
    wrapped = SecurityHeaders(BodyLimit(app, limit=100), secure=True)
    transport = httpx.ASGITransport(app=wrapped, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://chat.example") as client:
        yield client


async def test_expected_errors_have_one_shape(client: httpx.AsyncClient) -> None:
    answer = await client.get("/conflict")
    assert (answer.status_code, answer.json()) == (409, {"code": "taken", "message": "taken", "retryable": False})
    answer = await client.get("/rate")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["retryable"]) == (429, "2", True)
    answer = await client.get("/nowhere")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = await client.post("/payload", json={"number": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_input")
    assert "number" in answer.json()["message"]


async def test_a_bug_shows_no_detail(client: httpx.AsyncClient) -> None:
    answer = await client.get("/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "bug")
    assert "secret" not in answer.text


async def test_large_bodies_are_refused_declared_or_not(client: httpx.AsyncClient) -> None:
    answer = await client.post("/payload", content=b"x" * 101)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_big")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"y" * 10

    answer = await client.post("/payload", content=pieces())
    assert answer.status_code == 413


SECURITY = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "strict-origin-when-cross-origin",
}


@pytest.mark.parametrize("path", ["/conflict", "/rate", "/bug", "/nowhere", "/payload", "/chat"])
async def test_security_headers_on_every_answer(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert {name: headers.get(name) for name in SECURITY} == SECURITY
    assert len(headers.get_list("content-security-policy", split_commas=False)) == 1


async def test_a_bug_has_them_too_though_no_middleware_sees_it() -> None:
    """As the application is put together: middleware inside, Starlette's answer to a bug outside."""
    app = FastAPI()
    install_error_handlers(app, secure=True)
    app.add_middleware(BodyLimit, limit=100)
    app.add_middleware(SecurityHeaders, secure=True)

    @app.get("/bug")
    async def bug() -> None:
        raise KeyError("secret detail")

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://chat.example") as real:
        answer = await real.get("/bug")
        too_big = await real.post("/bug", content=b"x" * 101)
    assert (answer.status_code, too_big.status_code) == (500, 413)
    for headers in (answer.headers, too_big.headers):
        assert {name: headers.get(name) for name in SECURITY} == SECURITY


async def test_an_unknown_site_has_no_chat(client: httpx.AsyncClient) -> None:
    assert (await client.get("/chat", params={"site": "nope"})).status_code == 404
    assert (await client.get("/chat")).status_code == 422
