"""Plays recorded conversations through the real WebSocket, as a client would send them, and counts what came of it."""

from __future__ import annotations

import asyncio
import gzip
import math
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, func, select
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from assistant.chat.frames import PROTOCOL
from assistant.errors import BadInput, BadRow, Unavailable
from assistant.shop.rows import open_text
from assistant.storage.tables import decision, score
from assistant.wire import MAX_BODY

REPLY_SECONDS = 15.0  # how long a simulated customer waits for an answer before writing on
SETTLE_SECONDS = 60.0  # how long the last decisions may take
TRIES = 30  # times that a message is sent again when the server asks for it


class RecordedMessage(BaseModel):
    """One message of a recorded conversation; other fields are allowed and ignored."""

    model_config = ConfigDict(extra="ignore")
    role: Literal["customer", "agent", "system", "bot"]
    text: str


class RecordedConversation(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(extra="ignore")
    id: str
    language: str = "en"
    messages: list[RecordedMessage] = Field(min_length=1)

    def bursts(self) -> Iterator[list[str]]:
        """The customer's turns: messages that follow each other without an answer in between belong together."""
        burst: list[str] = []
        for message in self.messages:
            if message.role == "customer":
                text = message.text.strip()[:MAX_BODY]
                if text:
                    burst.append(text)
            elif burst:
                yield burst
                burst = []
        if burst:
            yield burst


def load(path: Path, limit: int | None) -> tuple[list[RecordedConversation], list[BadRow]]:
    """Conversations of a JSONL file, and the lines that are none."""
    good: list[RecordedConversation] = []
    bad: list[BadRow] = []
    with open_text(path) as file:
        try:
            for line, text in enumerate(file, start=1):
                if limit is not None and len(good) >= limit:
                    break
                if not text.strip():
                    continue
                try:
                    good.append(RecordedConversation.model_validate(orjson.loads(text)))
                except (orjson.JSONDecodeError, ValidationError) as error:
                    reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else f"not JSON: {error}"
                    bad.append(BadRow(reason, line=line))
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
            raise BadInput(f"{path.name} cannot be read as (gzipped) UTF-8 text") from error
    if not good:
        raise BadInput(f"{path.name} holds no conversation" + (f"; line {bad[0].line}: {bad[0]}" if bad else ""))
    return good, bad


@dataclass(slots=True)
class Tally:
    """What happened, over all conversations."""

    conversations: int = 0
    failed: int = 0
    turns_sent: int = 0
    turns_acked: int = 0
    bot_replies: int = 0
    escalations: int = 0
    resent: int = 0
    ack_ms: list[float] = field(default_factory=list)
    reply_ms: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Line:
    """One live connection of one customer."""

    socket: ClientConnection
    conv: str
    last_seq: int = 0
    answered: int = 0  # highest contact seq that has a reply
    quiet: bool = False  # a person was asked for: the assistant will not answer


class Player:
    """Plays conversations against one server. `url` is its HTTP address."""

    def __init__(self, url: str, site: str, tally: Tally, on_turn: Callable[[], None]) -> None:
        self._url = url.rstrip("/")
        self._socket_url = self._url.replace("http", "ws", 1) + "/ws/chat"
        self._site = site
        self._tally = tally
        self._on_turn = on_turn

    async def play_all(self, conversations: Sequence[RecordedConversation], sessions: int) -> None:
        """Plays all, at most `sessions` at once."""
        gate = asyncio.Semaphore(sessions)
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as http:

            async def one(conversation: RecordedConversation) -> None:
                async with gate:
                    try:
                        await self._play(http, conversation)
                    except (OSError, ConnectionClosed, httpx.HTTPError, Unavailable):
                        self._tally.failed += 1
                    self._tally.conversations += 1

            async with asyncio.TaskGroup() as group:
                for conversation in conversations:
                    group.create_task(one(conversation))

    async def _play(self, http: httpx.AsyncClient, conversation: RecordedConversation) -> None:
        body = {"site": self._site, "locale": conversation.language}
        answer = await http.post("/api/widget/session", json=body, headers={"Origin": self._url})
        answer.raise_for_status()
        token = answer.json()["token"]
        async with connect(self._socket_url, origin=self._url, compression=None, max_size=2**20) as socket:  # type: ignore[arg-type]
            await socket.send(orjson.dumps({"t": "hello", "v": PROTOCOL, "token": token}).decode())
            ready = orjson.loads(await asyncio.wait_for(socket.recv(), 30))
            if ready["t"] != "ready":
                raise Unavailable(f"the server answered hello with {ready['t']}")
            line = _Line(socket, ready["conv"])
            self._tally.ids.append(line.conv)
            for burst in conversation.bursts():
                sent, seq = 0.0, 0
                for text in burst:
                    sent = time.perf_counter()
                    seq = await self._send(line, text)
                if await self._answer(line, seq):
                    self._tally.reply_ms.append((time.perf_counter() - sent) * 1000)

    async def _send(self, line: _Line, text: str) -> int:
        """Sends one message and waits for its ack; resends the same cmid when told to. Returns its seq."""
        cmid = str(uuid.uuid4())
        frame = orjson.dumps({"t": "msg", "cmid": cmid, "body": text}).decode()
        self._tally.turns_sent += 1
        for _ in range(TRIES):
            sent = time.perf_counter()
            await line.socket.send(frame)
            while True:
                received = await self._receive(line, 30)
                if received["t"] == "ack" and received["cmid"] == cmid:
                    self._tally.turns_acked += 1
                    self._tally.ack_ms.append((time.perf_counter() - sent) * 1000)
                    self._on_turn()
                    return int(received["seq"])
                if received["t"] == "nack" and received.get("cmid") == cmid:
                    if not received.get("retry"):
                        raise Unavailable(f"refused: {received['code']}")
                    self._tally.resent += 1
                    await asyncio.sleep((received.get("after_ms") or 500) / 1000)
                    break
        raise Unavailable("refused again and again")

    async def _answer(self, line: _Line, seq: int) -> bool:
        """Waits for the assistant's answer to `seq`; False when none is to come or none came in time."""
        deadline = time.monotonic() + REPLY_SECONDS
        while line.answered < seq and not line.quiet:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            with suppress(TimeoutError):
                await self._receive(line, left)
        return line.answered >= seq

    async def _receive(self, line: _Line, timeout_s: float) -> dict[str, Any]:
        received: dict[str, Any] = orjson.loads(await asyncio.wait_for(line.socket.recv(), timeout_s))
        if received["t"] == "ev":
            line.last_seq = received["seq"]
            if received["from"] == "bot":
                self._tally.bot_replies += 1
                line.answered = max(line.answered, received.get("reply_to") or 0)
            elif received["kind"] == "escalated" and not line.quiet:
                line.quiet = True
                self._tally.escalations += 1
        return received


def count_rows(connection: Connection, ids: Sequence[str]) -> tuple[int, int]:
    """(scores, decisions) in the database for these conversations, counted by distinct turn of theirs."""
    scores = decisions = 0
    for start in range(0, len(ids), 500):
        some = ids[start : start + 500]
        scores += connection.execute(
            select(func.count()).select_from(score).where(score.c.conversation_id.in_(some))
        ).scalar_one()
        decisions += connection.execute(
            select(func.count()).select_from(decision).where(decision.c.conversation_id.in_(some))
        ).scalar_one()
    return scores, decisions


def percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """p50 and p99 by the nearest rank, milliseconds to one decimal."""
    if not values:
        return {"p50": None, "p99": None}
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[max(0, math.ceil(len(ordered) * share) - 1)], 1)

    return {"p50": at(0.50), "p99": at(0.99)}


def summary(tally: Tally, scores: int | None, decisions: int | None, unreadable: int) -> dict[str, Any]:
    """The object that `--json` prints. `latency_ms`: from sending a message to its ack, that is to the durable commit."""
    return {
        "conversations": tally.conversations,
        "turns_sent": tally.turns_sent,
        "turns_acked": tally.turns_acked,
        "scores": scores,
        "decisions": decisions,
        "bot_replies": tally.bot_replies,
        "escalations": tally.escalations,
        "latency_ms": percentiles(tally.ack_ms),
        "reply_ms": percentiles(tally.reply_ms),
        "resent": tally.resent,
        "failed_conversations": tally.failed,
        "unreadable_lines": unreadable,
    }
