"""A contact on a real socket: follows the protocol as a client should, and keeps what it has seen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Json = dict[str, Any]


class Contact:
    """One connection. `frames` holds what came and was not asked for yet."""

    def __init__(self, base: str, token: str, **options: Any) -> None:
        self.base = base
        self.token = token
        self.options = options
        self.ready: Json = {}
        self.frames: list[Json] = []
        self.socket: ClientConnection

    async def open(self) -> Self:
        """Connects, without a hello."""
        options: Json = {"origin": self.base, "compression": None, "max_size": 2**20, **self.options}
        self.socket = await connect(self.base.replace("http", "ws", 1) + "/ws/chat", **options)
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.socket.close()

    async def hello(self, **fields: Any) -> Json:
        """Says hello and returns `ready`."""
        await self.say({"t": "hello", "v": "staywell.chat.v1", "token": self.token, **fields})
        self.ready = await self.expect("ready")
        return self.ready

    async def say(self, frame: Json | str | bytes) -> None:
        """Sends one frame, or raw text or bytes."""
        await self.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame, ensure_ascii=False))

    async def message(self, body: str, cmid: str | None = None) -> Json:
        """Sends a message and returns its ack or nack."""
        cmid = cmid or str(uuid4())
        await self.say({"t": "msg", "cmid": cmid, "body": body})
        return await self.answer(cmid)

    async def answer(self, cmid: str) -> Json:
        """The ack or nack of `cmid`."""
        return await self.expect("ack", "nack", where=lambda frame: frame.get("cmid") == cmid)

    async def expect(self, *types: str, where: Any = None, timeout_s: float = 15.0) -> Json:
        """The first frame of one of `types` for which `where` holds; others are kept for later."""
        for index, frame in enumerate(self.frames):
            if frame["t"] in types and (where is None or where(frame)):
                return self.frames.pop(index)
        async with asyncio.timeout(timeout_s):
            while True:
                frame = json.loads(await self.socket.recv())
                if frame["t"] in types and (where is None or where(frame)):
                    return frame
                self.frames.append(frame)

    async def events(self, upto: int, timeout_s: float = 15.0) -> list[Json]:
        """Events in the order they came, until the one with seq `upto`."""
        events: list[Json] = []
        while not events or events[-1]["seq"] < upto:
            events.append(await self.expect("ev", timeout_s=timeout_s))
        return events

    async def closed(self, timeout_s: float = 15.0) -> tuple[int, str]:
        """Reads on until the server closes; the close code and reason."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    self.frames.append(json.loads(await self.socket.recv()))
        except ConnectionClosed as error:
            if error.rcvd is None:  # broken off
                return 1006, ""
            return error.rcvd.code, error.rcvd.reason


async def new_session(base: str, **body: Any) -> Json:
    """A widget session over HTTP."""
    async with httpx.AsyncClient(base_url=base) as http:
        answer = await http.post("/api/widget/session", json={"site": "shop", **body})
        answer.raise_for_status()
        return dict(answer.json())


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Waits until `condition` holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - looks at what others change without telling
            await asyncio.sleep(0.02)
