"""A small TCP proxy with faults: the link between a client and its server, one for each client.

Modes: `pass` forwards; `cut` resets every connection and refuses new ones; `stall` keeps connections open and forwards nothing;
`drop_up` and `drop_down` lose everything in one direction, so that the link is half open; `slow` forwards 4 KiB/s in small pieces
with a delay. Bytes that are lost break the stream, so a connection that lost any is reset when the link is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from typing import Final, Literal, Self

Mode = Literal["pass", "cut", "stall", "drop_up", "drop_down", "slow"]
FAULTS: Final[tuple[Mode, ...]] = ("cut", "stall", "drop_up", "drop_down", "slow")


@dataclass(eq=False)
class _Pair:
    """One proxied connection."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    lost: bool = False  # bytes are missing: it can only be reset

    def reset(self) -> None:
        """Ends both sides with RST."""
        for writer in (self.client, self.server):
            raw = writer.get_extra_info("socket")
            if raw is not None and not writer.is_closing():
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


@dataclass(eq=False)
class Proxy:
    """Listens on a port of its own and forwards to `target`."""

    target: int
    port: int = 0
    mode: Mode = "pass"
    _pairs: set[_Pair] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=4096)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for pair in tuple(self._pairs):
            pair.reset()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def set(self, mode: Mode) -> None:
        """Changes what the link does, at once and for every connection."""
        self.mode = mode
        self._changed.set()
        self._changed = asyncio.Event()
        for pair in tuple(self._pairs):
            if mode == "cut" or (mode == "pass" and pair.lost):
                pair.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "cut":
            writer.transport.abort()
            return
        try:
            upstream, server = await asyncio.open_connection("127.0.0.1", self.target, limit=4096)
        except OSError:
            writer.transport.abort()
            return
        pair = _Pair(writer, server)
        self._pairs.add(pair)
        ways = [
            asyncio.create_task(self._forward(pair, reader, server, "drop_up")),
            asyncio.create_task(self._forward(pair, upstream, writer, "drop_down")),
        ]
        self._tasks.update(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._tasks.difference_update(ways)
        self._pairs.discard(pair)
        for side in (writer, server):
            side.close()

    async def _forward(
        self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dropped_by: Mode
    ) -> None:
        while data := await reader.read(4096):
            while self.mode == "stall":
                await self._changed.wait()
            if self.mode == dropped_by:
                pair.lost = True
                continue
            if pair.lost:
                continue
            if self.mode == "slow":
                for start in range(0, len(data), 64):
                    await asyncio.sleep(64 / 4096)
                    writer.write(data[start : start + 64])
                    await writer.drain()
                continue
            writer.write(data)
            await writer.drain()
