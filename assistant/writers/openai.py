"""A writer behind any server that speaks OpenAI's chat completions, streamed as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx
import orjson

from assistant.writers.ports import Draft, WriterFault
from assistant.writers.prompt import messages

MOST_BYTES: Final = 256 * 1024  # of one answer, whatever it is made of
CONNECT_S: Final = 3.0
TEMPERATURE: Final = 0.4
_DONE: Final = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the model is. `key` is sent to that server and nowhere else, and never logged."""

    url: str  # the base, such as https://api.openai.com/v1
    model: str
    key: str | None
    max_tokens: int

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r}, {self.model!r})"


class OpenAiWriter:
    """Rephrases by a language model. Time-outs as a whole are the caller's business; this one bounds connecting and size."""

    rephrases = True

    def __init__(self, endpoint: Endpoint) -> None:
        self.name = f"openai:{endpoint.model}"
        self._endpoint = endpoint
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def write(self, draft: Draft) -> AsyncGenerator[str, None]:
        """Pieces as the model writes them. Raises WriterFault when anything but a whole, regular answer comes."""
        body = {
            "model": self._endpoint.model,
            "messages": messages(draft),
            "stream": True,
            "max_tokens": self._endpoint.max_tokens,
            "temperature": TEMPERATURE,
        }
        whole = False
        try:
            async with self._connected().stream("POST", "/chat/completions", json=body) as response:
                if response.status_code != httpx.codes.OK:
                    raise WriterFault("rate_limited" if response.status_code == 429 else "http_error")
                async for data in _events(response):
                    if data == _DONE:
                        whole = True
                        break
                    piece, end = _read(data)
                    if piece:
                        yield piece
                    if end is not None:
                        if end != "stop":  # "length", "content_filter", …: the text is not whole
                            raise WriterFault("cut_short")
                        whole = True
                        break
        except httpx.TimeoutException:
            raise WriterFault("timeout") from None
        except httpx.ConnectError:
            raise WriterFault("unreachable") from None
        except httpx.HTTPError:
            raise WriterFault("broken_stream") from None
        if not whole:
            raise WriterFault("broken_stream")

    async def close(self) -> None:
        """Lets go of the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _connected(self) -> httpx.AsyncClient:
        """One client with its pool for as long as the event loop lives; connections cannot move from loop to loop."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            key = self._endpoint.key
            self._client = httpx.AsyncClient(
                base_url=self._endpoint.url,
                headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {}),
                timeout=httpx.Timeout(None, connect=CONNECT_S),
                follow_redirects=False,  # the key goes to the server that was set, not to where that one points
                trust_env=False,  # settings are read in one place
            )
            self._loop = loop
        return self._client


async def _events(response: httpx.Response) -> AsyncIterator[bytes]:
    """The data of each server-sent event. A stream that grows beyond all measure is broken off."""
    waiting, size = b"", 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > MOST_BYTES:
            raise WriterFault("too_long")
        *lines, waiting = (waiting + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()


def _read(data: bytes) -> tuple[str, str | None]:
    """(the piece of text, why the answer ends or None) of one chunk."""
    try:
        chunk: Any = orjson.loads(data)
        choices = chunk["choices"]
        if not choices:  # usage figures and the like
            return "", None
        piece, end = choices[0].get("delta", {}).get("content"), choices[0].get("finish_reason")
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, IndexError):
        raise WriterFault("not_understood") from None
    if not isinstance(piece, str | None) or not isinstance(end, str | None):
        raise WriterFault("not_understood")
    return piece or "", end
