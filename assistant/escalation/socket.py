"""/ws/desk: one agent's console. Frames stand in `frames.py`.

Three tasks share a connection: the reader takes frames and answers each; the follower reads the database whenever the bus hints
at a change (and every 2 s, since hints may be lost) and sends what is new; the writer empties a bounded queue, so that a console
which does not read is closed rather than buffered for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final

import structlog
from pydantic import TypeAdapter
from starlette.websockets import WebSocket, WebSocketDisconnect

from assistant.errors import BadFrame, NotAllowed, StaywellError
from assistant.escalation import frames
from assistant.escalation.follower import Follower
from assistant.escalation.service import Desk, DeskDeps
from assistant.identity import sessions
from assistant.identity.sessions import Session
from assistant.ids import new_id
from assistant.wire import Close, Frame, decode, encode

HELLO_S: Final = 5.0
MOST_UNGREETED: Final = 200  # sockets that have not said hello
SILENCE_S: Final = 30.0  # three heartbeats
SLOW_S: Final = 5.0
QUEUE: Final = 256
QUEUE_BYTES: Final = 1024 * 1024
BAD_FRAMES: Final = 3
BURST: Final = 60  # frames at once …
PER_S: Final = 20.0  # … and frames a second after that
RATE_STRIKES: Final = 40  # frames refused for their rate before the console is closed

log = structlog.get_logger(__name__)
_adapter: TypeAdapter[Any] = TypeAdapter(frames.DeskClientFrame)


class Closed(Exception):
    """The connection is to be closed with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


class Outbox:
    """A bounded queue to a socket. A console that takes nothing for 5 s is closed with 4508."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._queue: asyncio.Queue[str] = asyncio.Queue(QUEUE)
        self._bytes = 0
        self._room = asyncio.Condition()

    async def put(self, frame: Frame) -> None:
        """Queues a frame; waits for room. Raises Closed(SLOW) when there is none for 5 s."""
        text = encode(frame)
        size = len(text.encode())
        try:
            async with asyncio.timeout(SLOW_S), self._room:
                await self._room.wait_for(
                    lambda: not self._queue.full() and (self._bytes == 0 or self._bytes + size <= QUEUE_BYTES)
                )
        except TimeoutError:
            raise Closed(Close.SLOW) from None
        self._bytes += size
        self._queue.put_nowait(text)

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            text = await self._queue.get()
            try:
                async with asyncio.timeout(SLOW_S):
                    await self._socket.send_text(text)
            except TimeoutError:
                raise Closed(Close.SLOW) from None
            self._bytes -= len(text.encode())
            async with self._room:
                self._room.notify_all()


class Bucket:
    """Frames that a console may send: `BURST` at once, `PER_S` a second. `now` in seconds of any steady clock."""

    def __init__(self, now: float) -> None:
        self._left = float(BURST)
        self._at = now

    def take(self, now: float) -> bool:
        """Takes one; False when there is none left."""
        self._left = min(float(BURST), self._left + (now - self._at) * PER_S)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Consoles:
    """The live consoles of this worker."""

    def __init__(self) -> None:
        self._live: set[Console] = set()
        self._ungreeted = 0

    @contextlib.contextmanager
    def greeting(self) -> Iterator[bool]:
        """Around the time until a console has said hello; False when too many are at it already."""
        self._ungreeted += 1
        try:
            yield self._ungreeted <= MOST_UNGREETED
        finally:
            self._ungreeted -= 1

    def add(self, console: Console) -> None:
        """One more."""
        self._live.add(console)

    def discard(self, console: Console) -> None:
        """One less."""
        self._live.discard(console)

    async def recheck(self) -> None:
        """Has every console look whether its log-in still holds."""
        for console in tuple(self._live):
            console.recheck()

    async def drain(self, after_ms: int = 1000) -> None:
        """Tells every console to come back, and closes it with 1012."""
        await asyncio.gather(*(console.drain(after_ms) for console in tuple(self._live)))


class Console:
    """One connection from accept to close."""

    def __init__(self, socket: WebSocket, deps: DeskDeps, desk: Desk, consoles: Consoles) -> None:
        self._socket = socket
        self._deps = deps
        self._desk = desk
        self._consoles = consoles
        self._id = new_id()
        self._outbox = Outbox(socket)
        self._drained = asyncio.Event()
        self._session: Session
        self._follower: Follower

    async def run(self) -> None:
        """Serves the connection. Ends with a close, never with an error to the client."""
        origin = self._socket.headers.get("origin", "").rstrip("/")
        if origin not in self._deps.settings.origins:
            await self._socket.close(Close.TOKEN)  # before accept: HTTP 403
            return
        await self._socket.accept()
        code: int | None = Close.BUG
        try:
            with self._consoles.greeting() as room:
                if not room:
                    raise Closed(Close.OVERLOAD)
                async with asyncio.timeout(HELLO_S):
                    self._session = await self._hello()
        except TimeoutError:
            code = Close.TIMEOUT
        except Closed as closed:
            code = closed.code
        except StaywellError as error:
            code = error.close_code
        except WebSocketDisconnect:
            code = None
        else:
            code = await self._serve()
        if code is not None:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the client went first
                await self._socket.close(code)

    def recheck(self) -> None:
        """Looks whether the log-in still holds; `run` closes with 4401 when it does not."""
        self._follower.recheck()

    async def drain(self, after_ms: int) -> None:
        """Says that the server goes away; `run` then closes with 1012."""
        with contextlib.suppress(Closed):
            await self._outbox.put(frames.DeskDrain(after_ms=after_ms))
        self._drained.set()

    # --- life ---

    async def _hello(self) -> Session:
        frame = decode(await self._receive(), _adapter)
        if not isinstance(frame, frames.DeskHello):
            raise NotAllowed("say hello first")
        now = self._deps.clock()
        return await self._deps.storage.write(
            lambda connection: sessions.redeem_ticket(connection, frame.ticket, now=now)
        )

    async def _serve(self) -> int | None:
        who = self._session.agent
        bound = log.bind(agent=who.id, console=self._id)
        here = await self._desk.arrive(who)
        with self._deps.bus.subscribe(f"agent:{who.id}", f"desk:{who.site_id}") as subscription:
            self._follower = Follower(self._deps, self._session, self._id, subscription, self._outbox.put)
            self._follower.say_open()
            await self._outbox.put(
                frames.DeskReady(
                    agent_id=who.id, name=who.name, role=who.role, presence=here.state, capacity=who.capacity
                )
            )
            self._consoles.add(self)
            bound.info("console_opened")
            try:
                code = await self._race()
            finally:
                self._consoles.discard(self)
                self._follower.leave()
            if code == Close.TOKEN:
                with contextlib.suppress(StaywellError):  # then the lease runs out by itself
                    await self._desk.sign_off(who)
        bound.info("console_closed", code=code)
        return code

    async def _race(self) -> int | None:
        """Runs all tasks until the first ends; gives the close code, None when the client has gone."""
        tasks = [
            asyncio.create_task(self._outbox.run(), name="desk-writer"),
            asyncio.create_task(self._read(), name="desk-reader"),
            asyncio.create_task(self._follower.run(), name="desk-follower"),
            asyncio.create_task(self._drained.wait(), name="desk-drain"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for running in tasks:
                running.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        if tasks[3] in done:
            return Close.DEPLOY
        fault = next(outcome for running, outcome in zip(tasks, ended, strict=True) if running in done)
        match fault:
            case Closed(code=code):
                return code
            case WebSocketDisconnect():
                return None
            case StaywellError() as error:
                return error.close_code
        log.error("bug", where="console", exc_info=fault)
        return Close.BUG

    # --- reading ---

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        bucket = Bucket(loop.time())
        bad = strikes = 0
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    raw = await self._receive()
            except TimeoutError:
                raise Closed(Close.TIMEOUT) from None
            try:
                frame = decode(raw, _adapter)
                if isinstance(frame, frames.DeskHello):
                    raise BadFrame("a second hello")
            except BadFrame as error:
                if error.reason == "too_big":
                    raise Closed(Close.TOO_BIG) from None
                bad += 1
                await self._outbox.put(frames.Refused(command="frame", code=error.reason, cmid=error.cmid))
                if bad >= BAD_FRAMES:
                    raise Closed(Close.BAD_FRAMES) from None
                continue
            if not bucket.take(loop.time()):
                strikes += 1
                if strikes > RATE_STRIKES:
                    raise Closed(Close.RATE)
                await self._refuse(frame, "rate", retry=True)
                continue
            strikes = 0
            try:
                await self._obey(frame)
            except NotAllowed:
                raise Closed(Close.TOKEN) from None
            except StaywellError as error:
                await self._refuse(frame, error.reason, retry=error.retryable)

    async def _receive(self) -> str:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", Close.DONE))
        text = message.get("text")
        if text is None:
            raise Closed(Close.BINARY)
        return str(text)

    async def _obey(self, frame: Frame) -> None:
        """Carries out one frame and answers it. Raises StaywellError for what is refused."""
        who, desk, put = self._session.agent, self._desk, self._outbox.put
        match frame:
            case frames.DeskPing(n=n):
                self._session = await desk.heartbeat(self._session)
                self._follower.beat(self._session)
                await put(frames.DeskPong(n=n))
            case frames.SetPresence(state=state):
                await desk.set_presence(who, state)
                await put(frames.Done(command=frame.t))
            case frames.Watch(conv=conv, after=after, silent=silent):
                await self._follower.watch(conv, after, silent=silent and who.supervises)
            case frames.Unwatch(conv=conv):
                self._follower.unwatch(conv)
            case frames.Accept(task=task, offer=offer):
                moved = await desk.accept(who, task, offer)
                await put(self._done(frame, moved.task.id, moved.conversation_id, moved.task.assign_epoch))
            case frames.Decline(task=task, offer=offer):
                moved = await desk.decline(who, task, offer)
                await put(self._done(frame, moved.task.id, moved.conversation_id))
            case frames.AgentMsg(conv=conv, cmid=cmid):
                used = None if frame.suggestion is None else (frame.suggestion.id, frame.suggestion.edited)
                said = await desk.send(
                    who, conv, cmid=cmid, body=frame.body, assign_epoch=frame.assign_epoch, suggestion=used
                )
                await put(frames.DeskAck(cmid=cmid, conv=conv, seq=said.seq, dup=said.dup))
            case frames.AgentNote(conv=conv, cmid=cmid, body=body):
                said = await desk.write_note(who, conv, cmid=cmid, body=body, whom=frame.mentions)
                await put(frames.DeskAck(cmid=cmid, conv=conv, dup=said.dup))
            case frames.MentionsRead(conv=conv):
                await desk.read_mentions(who, conv)
            case frames.CallbackReport(id=callback_id, result=result):
                await desk.call_back(who, callback_id, result)
                await put(frames.Done(command=frame.t))
            case frames.Transfer(conv=conv, assign_epoch=epoch):
                moved = await desk.transfer(who, conv, epoch, to=frame.to, cmid=frame.cmid, text=frame.note)
                await put(self._done(frame, moved.task.id, conv))
            case frames.Snooze(conv=conv, assign_epoch=epoch):
                moved = await desk.snooze(who, conv, epoch, frame.until)
                await put(self._done(frame, moved.task.id, conv))
            case frames.ReturnToBot(conv=conv, assign_epoch=epoch):
                moved = await desk.hand_back(who, conv, epoch)
                await put(self._done(frame, moved.task.id, conv))
            case frames.TakeOver(conv=conv):
                moved = await desk.take_over(who, conv)
                await put(self._done(frame, moved.task.id, conv, moved.task.assign_epoch))
            case frames.Resolve(conv=conv, assign_epoch=epoch):
                moved = await desk.resolve(who, conv, epoch, frame.disposition, frame.comment)
                await put(self._done(frame, moved.task.id, conv))
            case frames.DeskTyping(conv=conv, on=on):
                self._follower.typing(conv, on)
            case frames.DeskSeen(conv=conv, seq=seq):
                self._follower.saw(conv, seq)

    def _done(self, frame: Any, task: str, conv: str, epoch: int | None = None) -> frames.Done:
        return frames.Done(command=frame.t, task=task, conv=conv, assign_epoch=epoch)

    async def _refuse(self, frame: Any, code: str, *, retry: bool) -> None:
        await self._outbox.put(
            frames.Refused(
                command=frame.t,
                code=code,
                conv=getattr(frame, "conv", None),
                task=getattr(frame, "task", None),
                cmid=getattr(frame, "cmid", None),
                retry=retry,
            )
        )
