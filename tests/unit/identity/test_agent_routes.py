"""Log-in attempts from one address are limited, whatever the log-ins; the cookie's name follows the address that is served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.requests import HTTPConnection

from assistant.bus.hints import LocalBus
from assistant.http import install_error_handlers
from assistant.identity import agents, routes
from assistant.identity.address import remote_address
from assistant.settings import Settings
from assistant.storage.engine import Storage
from assistant.storage.tables import metadata


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "_hasher", PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(f"sqlite:///{(tmp_path / 'test.db').as_posix()}")
    storage.write_sync(metadata.create_all)
    yield storage
    storage.close()


def client(storage: Storage, address: str) -> httpx.AsyncClient:
    app = FastAPI()
    install_error_handlers(app)
    deps = routes.AgentDeps(storage, LocalBus(), lambda: 1_800_000_000_000, Settings(_env_file=None))
    app.include_router(routes.build_router(deps))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=(address, 4711)), base_url="http://127.0.0.1:8000"
    )


async def statuses(storage: Storage, address: str) -> list[int]:
    async with client(storage, address) as http:
        return [
            (await http.post("/api/login", json={"login": f"user{n}", "password": "x"})).status_code for n in range(12)
        ]


async def test_an_address_has_so_many_attempts(storage: Storage) -> None:
    assert await statuses(storage, "203.0.113.7") == [401] * 10 + [429] * 2


async def test_a_loopback_is_not_counted(storage: Storage) -> None:
    assert await statuses(storage, "127.0.0.1") == [401] * 12


@pytest.mark.parametrize(
    ("host", "counted"), [("::1", None), ("127.9.9.9", None), ("2001:db8::1", "2001:db8::1"), ("proxy", "proxy")]
)
def test_remote_address(host: str, counted: str | None) -> None:
    assert remote_address(HTTPConnection({"type": "http", "client": (host, 1)})) == counted
    assert remote_address(HTTPConnection({"type": "http", "client": None})) == ""


@pytest.mark.parametrize(
    ("values", "name"),
    [({}, "staywell"), ({"host": "0.0.0.0"}, "__Host-staywell"), ({"secure_cookies": True}, "__Host-staywell")],  # noqa: S104
)
def test_off_loopback_the_cookie_is_bound_to_https_and_host(
    storage: Storage, values: dict[str, object], name: str
) -> None:
    deps = routes.AgentDeps(storage, LocalBus(), lambda: 1, Settings(_env_file=None, **values))  # type: ignore[arg-type]
    assert deps.cookie == name
