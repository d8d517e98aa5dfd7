"""Kills a server again and again while contacts talk, and counts what that did to their messages.

`python -m tests.tools.kill_run --kills 100 --clients 20` prints one JSON object. What must be zero: `lost` (acknowledged, yet not
in the log), `doubled` (twice in the log), `gaps` (in seq), `views_differ` (a contact who ends up seeing anything but the log).
With `--whole` it is the product with its turns that is killed; one contact in four asks for a person on the way, in words or by the
button, and `staywell doctor` looks at what is left.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from uuid import uuid4

import httpx
from sqlalchemy import func, select
from websockets.exceptions import ConnectionClosed, WebSocketException

from assistant.conversations import store
from assistant.storage.engine import Storage
from assistant.storage.tables import decision, event, score, task, turn_job
from tests.tools.chat_client import Contact
from tests.tools.chat_server import build, free_port

GENEROUS = {
    "STAYWELL_MESSAGES_PER_10S": "100000",
    "STAYWELL_MESSAGES_PER_MINUTE_SITE": "6000000",
    "STAYWELL_LOG_LEVEL": "warning",
}
RENEW_MS = 60_000  # before its token's end a contact asks for the next one, as the widget does
QUIET_S = 1.0  # a contact here pings, and gives a connection up, sooner than real ones: runs are short
PATIENT_S = 5.0  # with the whole product, which takes the machine to itself while it starts


@dataclass
class Report:
    """What a run did and found."""

    kills: int = 0
    faults: int = 0
    connections: int = 0
    renewed: int = 0  # tokens that came to their end meanwhile
    sent: int = 0
    acked: int = 0
    resent_as_known: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    gaps: int = 0
    views_differ: int = 0
    unfinished: int = 0
    jobs_missing: int = 0
    unreadable: int = 0
    ready_wrongly: int = 0  # said to be ready while nothing could be written, or unready when it could
    unfriendly: int = 0  # connections that a planned restart ended with anything but 1012
    turns_undecided: int = 0
    turns_decided_twice: int = 0
    turns_unscored: int = 0
    turns_scored_twice: int = 0
    turns_answered: int = 0
    turns_answered_twice: int = 0
    turns_without_outcome: int = 0
    escalated: int = 0
    escalated_twice: int = 0
    escalations_lost: int = 0
    ill: list[str] = field(default_factory=list)  # what the doctor finds wrong
    nacks: dict[str, int] = field(default_factory=dict)
    close_codes: dict[int, int] = field(default_factory=dict)
    caught_up_s: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Nothing lost, doubled, missing or different."""
        messages = self.lost + self.doubled + self.gaps + self.views_differ + self.jobs_missing
        turns = self.turns_undecided + self.turns_decided_twice + self.turns_unscored + self.turns_scored_twice
        turns += self.turns_answered_twice + self.turns_without_outcome
        turns += self.escalated_twice + self.escalations_lost + len(self.ill) + self.unfriendly + self.ready_wrongly
        return messages + turns + self.unfinished + self.unreadable == 0 and 1011 not in self.close_codes


class ServerProcess:
    """A server in a process of its own, that can be killed and started again on the same port and data.

    `module`: the chat alone, or `assistant.cli` for the whole product.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        extra: tuple[str, ...] = (),
        *,
        output: IO[bytes] | None = None,
        environment: Mapping[str, str] | None = None,
        module: tuple[str, ...] = ("tests.tools.chat_server",),
    ) -> None:
        self._module = module
        self._output = output
        self._environment = environment
        self.base = f"http://127.0.0.1:{port}"
        self._arguments = ["--data-dir", str(data_dir), "--port", str(port), *extra]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it answers."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *self._module,
            *self._arguments,
            stdout=2 if self._output is None else self._output,  # what the run itself prints stands alone
            stderr=self._output,
            env=self._environment,
        )
        async with httpx.AsyncClient(base_url=self.base) as http:
            for _ in range(1200):
                if self._process.returncode is not None:
                    raise RuntimeError(f"the server ended with {self._process.returncode}")
                with contextlib.suppress(httpx.TransportError):
                    await http.get("/healthz")
                    return
                await asyncio.sleep(0.05)
        raise RuntimeError("the server did not start")

    @property
    def pid(self) -> int:
        """Its process id. Raises RuntimeError when it has ended by itself."""
        assert self._process is not None
        if self._process.returncode is not None:
            raise RuntimeError(f"the server ended with {self._process.returncode}")
        return self._process.pid

    async def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends this process and no other."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(how)
        await self._process.wait()


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


def sqlite_url(data_dir: Path) -> str:
    """The database of a server that was given only its data directory."""
    return f"sqlite:///{(data_dir / 'staywell.db').as_posix()}"


async def talkers(base: str, clients: int, report: Report, *, quiet_s: float = QUIET_S) -> list[Talker]:
    """So many guests, each with a session of its own."""
    async with httpx.AsyncClient(base_url=base) as http:
        made = []
        for _ in range(clients):
            answer = await http.post("/api/widget/session", json={"site": "shop"})
            made.append(Talker(base, answer.raise_for_status().json(), report, quiet_s=quiet_s))
        return made


def examine(report: Report, storage: Storage, people: list[Talker]) -> None:
    """Compares the log with what was acknowledged and with what each contact sees."""
    rows = storage.read_sync(
        lambda connection: connection.execute(select(event).order_by(event.c.conversation_id, event.c.seq)).all()
    )
    jobs = storage.read_sync(
        lambda connection: {
            tuple(row) for row in connection.execute(select(turn_job.c.conversation_id, turn_job.c.seq))
        }
    )
    logs: dict[str, list[Any]] = {}
    for row in rows:
        logs.setdefault(row.conversation_id, []).append(row)
    report.stored = len(rows)
    spoken = [row.body for row in rows if (row.sender, row.kind) == ("contact", "message")]
    report.doubled = sum(times - 1 for times in Counter(spoken).values())
    report.gaps = sum([row.seq for row in log] != list(range(1, len(log) + 1)) for log in logs.values())
    said = {(row.conversation_id, row.seq) for row in rows if (row.sender, row.kind) == ("contact", "message")}
    report.jobs_missing = len(said - jobs)
    stored = {row.cmid: row for row in rows if row.sender == "contact"}
    for person in people:
        report.acked += len(person.acked)
        for cmid, seq in person.acked.items():
            row = stored.get(cmid)
            report.lost += row is None or (row.seq, row.body or "") != (seq, person.bodies[cmid])
        log = logs.get(person.conv or "", [])
        seen = [(frame["seq"], frame["id"], frame.get("body")) for frame in person.view]
        report.views_differ += seen != [(row.seq, row.id, row.body) for row in log]


def examine_turns(report: Report, storage: Storage) -> None:
    """Each message of a contact must have one score, one decision and at most one answer; a decision to speak must have spoken."""

    def rows(*columns: Any) -> list[Any]:
        return list(storage.read_sync(lambda connection: connection.execute(select(*columns)).all()))

    events = rows(event.c.conversation_id, event.c.seq, event.c.sender, event.c.kind, event.c.reply_to)
    turns = {(row.conversation_id, row.seq) for row in events if (row.sender, row.kind) == ("contact", "message")}
    decided = {(row.conversation_id, row.seq): row for row in rows(decision)}
    scored = Counter((row.conversation_id, row.seq) for row in rows(score.c.conversation_id, score.c.seq))
    answers = Counter((row.conversation_id, row.reply_to) for row in events if row.sender == "bot" and row.reply_to)
    report.turns_undecided = len(turns - decided.keys())
    report.turns_decided_twice = len(rows(decision.c.id)) - len(decided)
    report.turns_unscored = len(turns - scored.keys())
    report.turns_scored_twice = sum(times - 1 for times in scored.values())
    report.turns_answered = len(answers)
    report.turns_answered_twice = sum(times - 1 for times in answers.values())
    report.turns_without_outcome = sum(
        row.reply_seq is None and row.not_delivered is None and row.kind not in ("none", "escalate")
        for row in decided.values()
    )
    asked = {row.conversation_id for row in events if row.kind == "escalated"}
    tasks = Counter(row.conversation_id for row in rows(task.c.conversation_id))
    pressed = Counter(row.conversation_id for row in events if (row.sender, row.kind) == ("contact", "escalated"))
    report.escalated = len(asked)
    report.escalated_twice = sum(times - 1 for times in (*tasks.values(), *pressed.values()))
    handed = {row.conversation_id for row in decided.values() if row.kind == "escalate" and row.not_delivered is None}
    report.escalations_lost = len((asked | handed) ^ tasks.keys())


async def consult(data_dir: Path, environment: Mapping[str, str]) -> list[str]:
    """What `staywell doctor` finds wrong."""
    doctor = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "assistant.cli", "doctor", "--json", "--data-dir", str(data_dir),
        stdout=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip
    said, _ = await doctor.communicate()
    findings = json.loads(said)["findings"]
    return [f"{one['part']}: {one['detail']}" for one in findings if one["state"] == "wrong"]


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


async def kill_run(
    data_dir: Path,
    *,
    kills: int,
    clients: int,
    seed: int = 1,
    extra: tuple[str, ...] = (),
    pause_s: float = 0.05,
    whole: bool = False,
    minutes: float | None = None,
) -> Report:
    """Kills the server `kills` times under the load of `clients` contacts; fewer times when `minutes` are over before.

    `whole`: the whole product, with its turns: every message must then have had its one score, decision and outcome.
    """
    draw, report, began = random.Random(seed), Report(), time.monotonic()
    port, url = free_port(), sqlite_url(data_dir)
    environment = {**os.environ, **GENEROUS}
    server = ServerProcess(data_dir, port, extra)
    if whole:
        build(data_dir, port=port).close()  # the site
        server = ServerProcess(data_dir, port, environment=environment, module=("assistant.cli", "serve"))
    await server.start()
    people = await talkers(server.base, clients, report, quiet_s=PATIENT_S if whole else QUIET_S)
    if whole:
        some_ask_for_a_person(people)
    tasks = [asyncio.create_task(person.run(random.Random(draw.random()), pause_s)) for person in people]
    try:
        while report.kills < kills and (minutes is None or time.monotonic() - began < minutes * 60):
            await asyncio.sleep(draw.uniform(0.2, 1.0))
            await server.kill()
            report.kills += 1
            await server.start()
        await asyncio.sleep(0.5)
        if whole:
            await conclude(url, people, tasks)
        report.unfinished = await finish(people, tasks)
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        await server.kill()
    for end in ends:
        if isinstance(end, Exception):
            raise end
    storage = Storage(url)
    examine(report, storage, people)
    if whole:
        examine_turns(report, storage)
    storage.close()
    if whole:
        report.ill = await consult(data_dir, environment)
    report.seconds = round(time.monotonic() - began, 1)
    return report


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


def summary(report: Report) -> dict[str, Any]:
    """The report as JSON, with percentiles in place of single times."""
    times = sorted(report.caught_up_s) or [0.0]
    values = asdict(report)
    del values["caught_up_s"]
    values["caught_up_p95_s"] = round(times[int(len(times) * 0.95) - 1], 3)
    values["clean"] = report.clean
    return values


def main() -> int:
    """Runs from the command line; the exit code tells whether all was clean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="the whole product, with its turns")
    parser.add_argument("--pause", type=float, default=0.05, help="longest pause between a contact's messages, seconds")
    parser.add_argument("--minutes", type=float, help="stop killing after so many, however few kills that were")
    parser.add_argument("--bug", help="seed a bug into the server: the run must then not be clean")
    arguments = parser.parse_args()
    extra = ("--bug", arguments.bug) if arguments.bug else ()
    with TemporaryDirectory() as folder:
        report = asyncio.run(
            kill_run(
                Path(folder),
                kills=arguments.kills,
                clients=arguments.clients,
                seed=arguments.seed,
                extra=extra,
                pause_s=arguments.pause,
                whole=arguments.whole,
                minutes=arguments.minutes,
            )
        )
    sys.stdout.write(json.dumps(summary(report)) + "\n")
    return 0 if report.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
