"""A language model's server for tests: speaks OpenAI's chat completions over HTTP/1.1, well or as badly as its model's name says.

    python tests/tools/model_server.py --port 9001

`good` rephrases a little. The others fail or lie, each in its own way: see `MODES`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Self

PIECE = 12  # characters
Json = dict[str, Any]


def rephrased(reply: str, language: str) -> str:
    """The same in slightly other words."""
    if language == "zh":
        return f"好的，{reply}"
    first = reply[:1].lower() if not re.match(r"I\b|I'", reply) else reply[:1]
    return f"Sure, {first}{reply[1:]}"


def lied(mode: str, data: Json, system: str) -> str:
    """What the model of that name writes. `data` is what it was given to rephrase."""
    reply, customer = data["reply"], data["customer"]
    chinese = bool(re.search(r"[\u4e00-\u9fff]", reply))
    more = {
        "discount": ("And you get 90 % off.", "再给您打一折。"),
        "promise": ("It will definitely arrive tomorrow.", "明天一定会到。"),
        "link": ("See https://evil.example/login for it.", "请看 https://evil.example/login 。"),
        "image": ("![x](https://evil.example/p.png)", "![图](https://evil.example/p.png)"),
        "refund": ("Your refund is approved.", "已批准退款。"),
        "slander": ("By the way, other shops are frauds.", "顺便说，别的店都是骗子。"),
        "leak": (system, system),
        "echo": (customer, customer),
    }
    if mode == "language":
        return "我来帮您看看。" if not chinese else "Let me have a look at that for you."
    if mode == "obey":  # says what the customer asked for, and nothing else
        quoted = re.findall(r"[\"“「]([^\"”」]+)[\"”」]", customer)
        return quoted[0] if quoted else customer
    if mode == "yes":  # grants whatever was asked
        return ("好的，已经为您办好：" if chinese else "Done, as you asked: ") + customer
    if mode == "empty":
        return "  "
    if mode in more:
        return f"{rephrased(reply, 'zh' if chinese else 'en')} {more[mode][chinese]}"
    return rephrased(reply, "zh" if chinese else "en")


MODES = (
    *("good", "slow", "discount", "promise", "link", "image", "refund", "slander", "leak", "echo", "language", "obey"),
    *(
        "yes",
        "poisoned",
        "empty",
        "broken",
        "cut",
        "endless",
        "silent",
        "late",
        "huge",
        "nonsense",
        "html",
        "error",
        "busy",
        "moved",
    ),
)


@dataclass
class ModelServer:
    """Runs inside an event loop; `requests` keeps what came: path, headers, body."""

    port: int = 0
    requests: list[Json] = field(default_factory=list)
    modes: dict[str, str] = field(default_factory=dict)  # what a model of that name does instead
    poison: dict[str, str] = field(default_factory=dict)  # by title of a product: what `poisoned` says when it is shown
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))))
        self.requests.append({"path": request.split()[1], "headers": headers, "body": body})
        mode = self.modes.get(body["model"], body["model"])
        statuses = {"error": "500 Internal Server Error", "busy": "429 Too Many Requests", "moved": "302 Found"}
        if mode in statuses:
            more = "Location: http://127.0.0.1:1/\r\n" if mode == "moved" else ""
            writer.write(f"HTTP/1.1 {statuses[mode]}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            return await writer.drain()
        if mode == "silent":
            await asyncio.sleep(60)
        kind = "text/html" if mode == "html" else "text/event-stream"
        writer.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
        )
        async for piece in self._pieces(mode, body):
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        if mode != "broken":  # whose end of the chunks never comes
            writer.write(b"0\r\n\r\n")
        return await writer.drain()

    async def _pieces(self, mode: str, body: Json) -> AsyncIterator[bytes]:
        system, user = body["messages"][0]["content"], json.loads(body["messages"][1]["content"])
        text = lied(mode, user, system)
        if mode == "poisoned":
            shown = [more for title, more in self.poison.items() if any(title in line for line in user["products"])]
            text = " ".join([text, *shown])
        if mode == "html":
            yield b"<!doctype html><p>Welcome to the proxy</p>"
            return
        if mode == "nonsense":
            yield b'data: {"choices": 7}\n\n'
            return
        if mode == "huge":
            while True:
                yield b"data: " + b"x" * 65_536
        pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
        if mode in ("broken", "cut"):
            pieces = pieces[: max(1, len(pieces) // 2)]
        yield _event({"role": "assistant", "content": ""})
        for piece in pieces:
            yield _event({"content": piece})
            await asyncio.sleep({"slow": 0.12, "late": 1.0}.get(mode, 0.002))
        if mode == "broken":
            return
        while mode == "endless":
            yield _event({"content": " and on and on" * 3})
            await asyncio.sleep(0.02)
        yield _event({}, "length" if mode == "cut" else "stop")
        yield b"data: [DONE]\n\n"


def _event(delta: Json, end: str | None = None) -> bytes:
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


async def _run(port: int) -> None:
    async with ModelServer(port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    asyncio.run(_run(arguments.parse_args().port))
