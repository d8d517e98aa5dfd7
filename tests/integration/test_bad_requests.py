"""HTTP that is wrong on purpose, in raw bytes, against the whole product: a quick and plain answer, and a line of log at most."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tools.chat_server import build, free_port
from tests.tools.server_process import ServerProcess
from tests.tools.throttle import worked_s

pytestmark = pytest.mark.integration

QUICK_S = 3.0  # of processor time, of all that the product does meanwhile


@dataclass(frozen=True)
class Product:
    """The product in a process of its own."""

    port: int
    output: Path
    pid: int

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and all that came; 0 when the connection was closed without an answer."""
        before = worked_s(self.pid)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            answer = await asyncio.wait_for(reader.read(), 60)
        finally:
            writer.close()
        assert worked_s(self.pid) - before < QUICK_S
        return (int(answer.split(b" ", 2)[1]) if answer else 0), answer

    def request(self, line: str, *headers: str, body: bytes = b"", host: str | None = "here") -> bytes:
        """A request that closes its connection; `here` is the host that browsers would send."""
        own = [] if host is None else [f"Host: {f'127.0.0.1:{self.port}' if host == 'here' else host}"]
        lines = [f"{line} HTTP/1.1", *own, "Connection: close", f"Content-Length: {len(body)}", *headers]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


@pytest.fixture
async def product(tmp_path: Path) -> AsyncIterator[Product]:
    port = free_port()
    data_dir, output = tmp_path / "var", tmp_path / "output"
    build(data_dir, port=port).close()  # the site
    with output.open("wb") as log:
        server = ServerProcess(data_dir, port, output=log, module=("assistant.cli", "serve"))
        await server.start()
        try:
            yield Product(port, output, server.pid)
        finally:
            await server.kill()


async def test_whatever_is_wrong_gets_an_answer_and_no_traceback(product: Product) -> None:
    await hosts_are_never_believed(product)
    await ranges_are_quick(product)
    await forms_of_many_fields_are_refused(product)
    await forwarded_addresses_of_strangers_change_nothing(product)
    await line_breaks_and_escapes_stay_in_their_line(product)
    assert (await product.ask(product.request("GET /healthz")))[0] == 200
    said = product.output.read_bytes()
    assert b"Traceback" not in said
    assert b'"level": "error"' not in said


async def hosts_are_never_believed(product: Product) -> None:
    """Neither a crash by a host that is none, nor another origin by a host that lies."""
    for host in (None, "", "a b", "[::", "evil.example/@x", "x" * 4000, "\xff\xfe", "127.0.0.1:99999999"):
        status, _ = await product.ask(product.request("GET /api/widget/session", host=host))
        assert status in (400, 405), host
    body = b'{"site": "shop"}'
    for host in ("evil.example", "here"):
        status, _ = await product.ask(
            product.request(
                "POST /api/widget/session",
                "Content-Type: application/json",
                "Origin: https://evil.example",
                body=body,
                host=host,
            )
        )
        assert status == 403


async def ranges_are_quick(product: Product) -> None:
    many = ",".join(f"{n}-{n + 1}" for n in range(0, 4 * 10_000, 4))
    for ranges in (many, many[:8000].rpartition(",")[0], "0-,0-,0-", "-0", "9-1", "x"):
        status, _ = await product.ask(product.request("GET /static/widget.js", f"Range: bytes={ranges}"))
        assert status in (0, 200, 206, 400, 416, 431), ranges[:40]


async def forms_of_many_fields_are_refused(product: Product) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    form = product.request(
        "POST /api/login", "Content-Type: multipart/form-data; boundary=b", body=part * 100_000 + b"--b--\r\n"
    )
    try:
        status, _ = await product.ask(form)
    except ConnectionError:  # answered and closed before all of it was sent
        return
    assert status in (403, 413, 415, 422)


async def forwarded_addresses_of_strangers_change_nothing(product: Product) -> None:
    for header in (
        "X-Forwarded-For: 203.0.113.7",
        "Forwarded: for=203.0.113.7;host=evil.example",
        "X-Forwarded-Host: evil",
    ):
        status, answer = await product.ask(product.request("GET /healthz", header))
        assert status == 200
        assert b"evil" not in answer


async def line_breaks_and_escapes_stay_in_their_line(product: Product) -> None:
    before = product.output.read_bytes().count(b"\n")
    for path in ("/%0d%0aSet-Cookie:%20x=1", "/%1b[31mred", "/\x1b[31m", "/api/%00"):
        status, answer = await product.ask(product.request(f"GET {path}", "User-Agent: \x1b[2J"))
        assert status in (0, 400, 404)
        assert b"Set-Cookie: x" not in answer
    added = product.output.read_bytes().split(b"\n")[before:]
    assert all(line == b"" or (line.startswith(b"{") and b"\x1b" not in line) for line in added)
