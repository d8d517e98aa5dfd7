"""The whole application behind a real uvicorn in a thread, with two shops, as `staywell serve` would run it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import OctKey

from assistant.app import Services, build_services, create_app
from assistant.chat.server import server_options
from assistant.identity import sites
from assistant.identity.agents import Role, create_agent
from assistant.identity.keys import hash_token
from assistant.identity.sites import Site
from assistant.settings import Settings
from assistant.storage.migrate import upgrade

PASSWORD = "correct horse battery"
Json = dict[str, Any]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def now_ms() -> int:
    """UTC milliseconds."""
    return time.time_ns() // 1_000_000


def secret_of(key: str) -> str:
    """The identity secret of a test's site."""
    return f"the identity secret of {key}, long enough to sign with"


def api_key_of(key: str) -> str:
    """The API key of a test's site."""
    return f"api-key-of-{key}"


@dataclass
class Whole:
    """A running server and what tests do beside it."""

    services: Services
    app: FastAPI
    base: str
    sites: dict[str, Site] = field(default_factory=dict)
    agents: dict[str, str] = field(default_factory=dict)

    def run(self, work: Any) -> Any:
        """Reads from the server's database."""
        return self.services.storage.read_sync(work)

    def write(self, work: Any) -> Any:
        """Writes to it."""
        return self.services.storage.write_sync(work)

    def open_site(self, key: str) -> Site:
        """A shop with an identity secret and an API key of its own."""
        self.sites[key] = self.write(
            lambda connection: sites.create(
                connection,
                key=key,
                name=key.title(),
                now=now_ms(),
                origins=[f"https://{key}.example"],
                identity_secret=secret_of(key),
                api_key_hash=hash_token(api_key_of(key)),
            )
        )
        return self.sites[key]

    def hire(self, login: str, role: Role = "agent", site: str = "shop", capacity: int = 4) -> str:
        """An agent with PASSWORD."""
        self.agents[login] = self.write(
            lambda connection: create_agent(
                connection,
                site_id=self.sites[site].id,
                login=login,
                name=login.title(),
                password=PASSWORD,
                role=role,
                languages=["en"],
                capacity=capacity,
                now=now_ms(),
            )
        )
        return self.agents[login]

    def identity(self, sub: str, site: str = "shop", **claims: Any) -> str:
        """What the shop's server signs for a customer."""
        said = {"sub": sub, "aud": site, "exp": int(time.time()) + 120, **claims}
        return jwt.encode({"alg": "HS256"}, said, OctKey.import_key(secret_of(site)))

    async def session(self, site: str = "shop", **body: Any) -> Json:
        """A widget session."""
        async with httpx.AsyncClient(base_url=self.base) as http:
            answer = await http.post("/api/widget/session", json={"site": site, **body})
            answer.raise_for_status()
            return dict(answer.json())


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def whole_server(folder: Path, *, demo: bool = False, **settings: Any) -> Iterator[Whole]:
    """The application with all its background tasks, and the sites `shop` and `other`."""
    port = settings.pop("port", None) or free_port()
    chosen = Settings(data_dir=folder / "var", port=port, _env_file=None, **settings)
    upgrade(chosen.url)
    services = build_services(chosen)
    app = create_app(services, demo=demo)
    whole = Whole(services, app, f"http://127.0.0.1:{port}")
    for key in ("shop", "other"):
        found = whole.run(lambda connection, key=key: sites.find_site_by_key(connection, key))
        if found is None:
            whole.open_site(key)
        else:
            whole.sites[key] = found
    options = {**server_options(), "log_config": None, "timeout_graceful_shutdown": 2}
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=port, **options))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.01)
    try:
        yield whole
    finally:
        server.should_exit = True
        thread.join(30)
        services.close()


class Documents:
    """A small HTTP server that answers with what a test puts in: `documents[path]`, or a function of the request."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}
        self.asked: list[str] = []
        documents = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def _answer(self) -> None:
                documents.asked.append(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                found = documents.documents.get(self.path.partition("?")[0])
                status, headers, content = 404, {}, b""
                if callable(found):
                    status, headers, content = found(self, body)
                elif isinstance(found, bytes):
                    status, content = 200, found
                elif found is not None:
                    status, content = 200, orjson.dumps(found)
                with contextlib.suppress(ConnectionError):
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_POST = _answer  # noqa: N815 - the names that the base class calls

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Documents:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
