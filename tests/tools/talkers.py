"""Contacts who talk, whatever happens to the server, until what they see is the whole log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from sqlalchemy import func, select
from websockets.exceptions import ConnectionClosed, WebSocketException

from assistant.conversations import store
from assistant.storage.engine import Storage
from assistant.storage.tables import turn_job
from tests.tools.chat_client import Contact
from tests.tools.run_report import Report

RENEW_MS = 60_000  # before its token's end a contact asks for the next one, as the widget does
QUIET_S = 1.0  # a contact here pings, and gives a connection up, sooner than real ones: runs are short
PATIENT_S = 5.0  # with the whole product, which takes the machine to itself while it starts


@dataclass
class Talker:
    """A contact who sends messages whatever happens, and follows the log as a client should."""

    base: str
    session: dict[str, Any]
    report: Report
    url: str = ""
    conv: str | None = None
    epoch: str | None = None
    view: list[dict[str, Any]] = field(default_factory=list)
    pending: list[tuple[str, str]] = field(default_factory=list)
    acked: dict[str, int] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    stop: bool = False
    quiet: bool = False  # says nothing new
    least: int = 0  # how far the view must come before the end
    asks: str | None = None  # what it will say once, for a person; "" presses the button
    note_catching_up: bool = True
    quiet_s: float = QUIET_S  # how long it bears silence before it pings, and then before it gives the connection up

    async def run(self, draw: random.Random, pause_s: float) -> None:
        """Talks until told to stop, then until everything is acked and the view has reached the log's end."""
        while True:
            since = time.monotonic()
            try:
                async with asyncio.timeout(30):
                    await self._keep_token()
                    contact = Contact(
                        self.url or self.base, self.session["token"], origin=self.base, open_timeout=2 * self.quiet_s
                    )
                    await contact.open()
                    try:
                        if await self._talk(contact, draw, pause_s, since):
                            return
                    finally:
                        with contextlib.suppress(Exception):
                            contact.socket.transport.abort()
            except (OSError, WebSocketException, TimeoutError, httpx.TransportError) as error:
                if isinstance(error, ConnectionClosed):  # noticed when the next message was to be sent, or read
                    code = error.rcvd.code if error.rcvd is not None else 1006
                    self.report.close_codes[code] = self.report.close_codes.get(code, 0) + 1
                await asyncio.sleep(draw.uniform(0.02, 0.2))

    async def _talk(self, contact: Contact, draw: random.Random, pause_s: float, since: float) -> bool:
        self.report.connections += 1
        cursor = {"conv": self.conv, "epoch": self.epoch, "after": len(self.view)} if self.conv else {}
        await contact.say({"t": "hello", "v": "staywell.chat.v1", "token": self.session["token"], **cursor})
        head, last_sent = -1, 0.0
        heard, pinged = time.monotonic(), 0.0
        told = not self.note_catching_up
        while True:
            if head >= 0 and await self._keep_token():
                await contact.say({"t": "auth", "token": self.session["token"]})
            if head >= 0 and not self.stop and not self.quiet and not self.pending:
                await asyncio.sleep(draw.uniform(0, pause_s))
                cmid = str(uuid4())
                self.bodies[cmid] = f"{cmid} {draw.choice(['Wo ist mein Paket?', '我要退款', 'hello', '😀'])}"
                if self.asks is not None and self.acked:
                    self.bodies[cmid] = f"{self.asks} {cmid}" if self.asks else ""
                    self.asks = None
                self.pending.append((cmid, self.bodies[cmid]))
                self.report.sent += 1
                last_sent = 0.0
            if head >= 0 and self.pending and time.monotonic() - last_sent > 1.0:
                cmid, body = self.pending[0]
                await contact.say({"t": "msg", "cmid": cmid, "body": body} if body else {"t": "escalate", "cmid": cmid})
                last_sent = time.monotonic()
            wanted = max([head, self.least, *self.acked.values()])
            if self.stop and not self.pending and head >= 0 and len(self.view) >= wanted:
                return True
            now = time.monotonic()
            if now - heard > self.quiet_s and pinged < heard:
                pinged = now
                await contact.say({"t": "ping", "n": 1})
            if pinged > heard and now - pinged > self.quiet_s:
                raise OSError("half open")
            try:
                async with asyncio.timeout(0.25):
                    frame = json.loads(await contact.socket.recv())
            except TimeoutError:
                continue
            heard = time.monotonic()
            match frame["t"]:
                case "ready":
                    if self.conv not in (None, frame["conv"]) or frame["head"] < len(self.view):
                        self.view.clear()
                    self.conv, self.epoch, head = frame["conv"], frame["epoch"], frame["head"]
                case "ev" if frame["seq"] == len(self.view) + 1:
                    self.view.append(frame)
                    self._settle(frame.get("cmid"))
                case "ev" if frame["seq"] > len(self.view) + 1:
                    raise OSError("a gap: come back with the cursor")
                case "ack":
                    self.acked[frame["cmid"]] = frame["seq"]
                    self.report.resent_as_known += frame["dup"]
                    self._settle(frame["cmid"])
                case "drain" if draw.random() < 0.5:  # some leave when told, some when they are put out
                    await asyncio.sleep(draw.uniform(0, frame["after_ms"] / 4000))
                    raise OSError("drained")
                case "nack":
                    self.report.nacks[frame["code"]] = self.report.nacks.get(frame["code"], 0) + 1
                    if not frame["retry"]:
                        raise AssertionError(f"refused for good: {frame}")
            if not told and 0 <= head <= len(self.view):
                told = True
                self.report.caught_up_s.append(time.monotonic() - since)

    async def _keep_token(self) -> bool:
        """Takes a new token when the one there is comes to its end; whether it did."""
        if self.session["expires_at"] - time.time() * 1000 > RENEW_MS:
            return False
        async with httpx.AsyncClient(base_url=self.base) as http:
            body = {"site": "shop", "resume": self.session["resume"]}
            self.session = (await http.post("/api/widget/session", json=body)).raise_for_status().json()
        self.report.renewed += 1
        return True

    def _settle(self, cmid: str | None) -> None:
        self.pending = [item for item in self.pending if item[0] != cmid]


async def talkers(base: str, clients: int, report: Report, *, quiet_s: float = QUIET_S) -> list[Talker]:
    """So many guests, each with a session of its own."""
    async with httpx.AsyncClient(base_url=base) as http:
        made = []
        for _ in range(clients):
            answer = await http.post("/api/widget/session", json={"site": "shop"})
            made.append(Talker(base, answer.raise_for_status().json(), report, quiet_s=quiet_s))
        return made


def some_ask_for_a_person(people: list[Talker]) -> None:
    """One in four, in words or by the button."""
    for number, person in enumerate(people[::4]):
        person.asks = ["I want to talk to a human being, please", "", "我要转人工客服"][number % 3]


async def _turns_done(storage: Storage) -> None:
    """Waits until every message has been dealt with."""
    query = select(func.count()).select_from(turn_job).where(turn_job.c.state != "done")
    async with asyncio.timeout(600):
        while await storage.read(lambda connection: connection.execute(query).scalar_one()):  # noqa: ASYNC110 - another process works
            await asyncio.sleep(0.2)


async def conclude(url: str, people: list[Talker], tasks: list[asyncio.Task[None]]) -> None:
    """Nobody says anything new; waits until all that was said is dealt with, and tells each how far the log goes.

    Raises what ended one of `tasks` before its time.
    """
    for person in people:
        person.quiet = True
    async with asyncio.timeout(300):
        while any(person.pending for person in people):
            await asyncio.wait(tasks, timeout=0.1, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
    storage = Storage(url)
    await _turns_done(storage)
    ids = [person.conv for person in people if person.conv is not None]
    heads = await storage.read(lambda connection: store.heads(connection, ids))
    for person in people:
        person.least = heads.get(person.conv or "", ("", 0))[1]
    await asyncio.to_thread(storage.close)


async def finish(people: list[Talker], tasks: list[asyncio.Task[None]]) -> int:
    """Lets everybody come to an end; how many do not."""
    for person in people:
        person.stop = True
    _, late = await asyncio.wait(tasks, timeout=180)
    return len(late)
