"""How uvicorn has to be set up for the chat, and the little that its WebSocket protocol lacks.

A client that has stopped reading never takes a close frame: its connection, with all that is buffered for it, would stay until the
kernel gives up. Here it is cut off shortly after the close. Bad UTF-8 is a client's fault and leaves one line, not a traceback.
"""

from __future__ import annotations

import socket
import struct
from asyncio import TimerHandle
from asyncio.transports import BaseTransport
from contextlib import suppress
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from assistant.wire import MAX_FRAME_BYTES, Close

CUT_OFF_S: Final = 3.0
SEND_BUFFER_BYTES: Final = 128 * 1024  # Linux doubles it


class ChatProtocol(WebSocketsSansIOProtocol):
    """uvicorn's `websockets-sansio`, with an end to closing."""

    _ending: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Bounds what the kernel holds for a client that reads nothing; left alone it would take several mebibytes."""
        raw = transport.get_extra_info("socket")
        if raw is not None:
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Over: nothing is left to be cut off, and no timer holds what was buffered."""
        if self._ending is not None:
            self._ending.cancel()
        super().connection_lost(exc)

    async def send(self, message: Any) -> None:
        """Sends; a close does not wait behind a client that reads nothing, and is followed by the end of the connection."""
        if message["type"] == "websocket.close" and self.handshake_complete and not self.disconnected:
            self.writable.set()
            self._ending = self.loop.call_later(CUT_OFF_S, self._cut_off)
        await super().send(message)
        if (
            message["type"] == "websocket.accept"
        ):  # the handshake is over: its headers need not live as long as the connection
            del self.request, self.response

    def send_receive_event_to_app(self) -> None:
        """Hands a message on, unless it is text that is not UTF-8."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.fail(Close.BAD_UTF8, "not UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def _cut_off(self) -> None:
        if self.disconnected:
            return
        raw = self.transport.get_extra_info("socket")
        if raw is not None:
            # Reset rather than leave what is unsent to the kernel, which would offer it to a peer with a closed window for minutes.
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


def server_options() -> dict[str, Any]:
    """Keyword arguments for `uvicorn.Config`.

    Our protocol, frames of 16 KiB, no compression (it doubles an idle connection), no pings: clients send theirs, and silence is
    closed with 4408 rather than 1011.
    """
    return {
        "ws": ChatProtocol,
        "ws_max_size": MAX_FRAME_BYTES,
        "ws_per_message_deflate": False,
        "ws_ping_interval": None,
    }
