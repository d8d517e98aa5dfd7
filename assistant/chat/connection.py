"""One live chat connection: carries out what the session says, and sends the log as it grows.

Two tasks: the reader takes frames in, one at a time; the pump sends events in order of seq. Nothing is queued for a slow client:
the pump reads the log a page at a time, as fast as the client takes it, and a client that takes nothing for 5 s is closed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from assistant.bus.hints import Signal, Subscription
from assistant.chat import session as rules
from assistant.chat.frames import Ack, Drain, Nack, NackCode, Part, Ready, Reset, SeenOut, TypingOut
from assistant.chat.live import Live
from assistant.chat.service import ChatService, Standing, Stored
from assistant.errors import Conflict, StaywellError, Unavailable
from assistant.identity.address import remote_address
from assistant.identity.widget import Access
from assistant.wire import Close, Frame, encode

log = structlog.get_logger()

PATIENCE_S: Final = 5.0  # how long a client may take nothing
REREAD_S: Final = 30.0  # the pump looks by itself, should every hint be lost
CLOSING_S: Final = 2.0


class SlowConsumer(Exception):
    """The client takes nothing."""


def monotonic_ms() -> int:
    """Time that never jumps, for time-outs."""
    return time.monotonic_ns() // 1_000_000


class Connection:
    """A socket that was accepted. `run` returns when it is over."""

    def __init__(self, socket: WebSocket, service: ChatService, live: Live) -> None:
        self._socket = socket
        self._service = service
        self._live = live
        self._address = remote_address(socket)
        self._session = rules.Session(monotonic_ms())
        self._sending = asyncio.Lock()
        self._closed = False
        self._access: Access | None = None
        self._standing: Standing | None = None
        self._cursor = 0  # the last seq that was sent
        self._followed: str | None = None
        self._pump: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None

    async def run(self) -> None:
        """Reads until the connection is over. Errors that we expect become close codes; a bug is logged and becomes 1011."""
        try:
            if self._live.add(self):
                await self._read()
            else:
                await self.close(Close.RATE, "too many connections")
        except WebSocketDisconnect:
            pass
        except SlowConsumer:
            await self.close(Close.SLOW, "slow consumer")
        except Exception:
            log.exception("chat_bug", conv=self._standing and self._standing.conv)
            await self.close(Close.BUG, "a bug")
        finally:
            self._live.discard(self)
            if self._pump is not None:
                self._pump.cancel()
                with suppress(asyncio.CancelledError):
                    await self._pump

    async def drain(self) -> None:
        """Tells the client that the server is going away."""
        with suppress(SlowConsumer, WebSocketDisconnect):
            await self._send(Drain())

    async def close(self, code: int, reason: str) -> None:
        """Closes once; whoever comes first gives the code. The reader then reads the end."""
        if self._closed:
            return
        self._closed = self._session.ended = True
        self._live.metrics.closes.labels(code).inc()
        log.info("chat_closed", code=code, reason=reason, conv=self._standing and self._standing.conv)
        # A client that takes nothing does not take the close frame either: the server below cuts it off.
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(CLOSING_S):
                await self._socket.close(code, reason)

    @property
    def address(self) -> str | None:
        """Where it comes from, for limits; None: not to be counted."""
        return self._address

    @property
    def access(self) -> Access | None:
        """Who speaks, once a hello was accepted."""
        return self._access

    @property
    def _place(self) -> tuple[Access, Standing]:
        """Who speaks, and where."""
        if self._access is None or self._standing is None:
            raise RuntimeError("no hello yet")
        return self._access, self._standing

    # --- reading ---

    async def _read(self) -> None:
        while True:
            raw = await self._receive()
            actions = self._session.tick(monotonic_ms()) if raw is None else self._session.receive(raw, monotonic_ms())
            if self._session.refused is not None:
                log.info("frame_refused", why=self._session.refused, conv=self._standing and self._standing.conv)
            for action in actions:
                await self._carry_out(action)

    async def _receive(self) -> str | bytes | None:
        """The next frame; None when the session has something to say first."""
        left = (self._session.deadline - monotonic_ms()) / 1000
        if self._closed:
            left = CLOSING_S
        try:
            async with asyncio.timeout(max(0.0, left)):
                message = await self._socket.receive()
        except TimeoutError:
            if self._closed:
                raise WebSocketDisconnect(Close.DONE) from None
            return None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", Close.DONE))
        text = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    async def _carry_out(self, action: rules.Action) -> None:
        match action:
            case rules.Send(frame):
                await self._send(frame)
            case rules.End(code, reason):
                await self.close(code, reason)
            case rules.Greet():
                await self._closing_on_error(self._greet(action))
            case rules.Renew(token):
                await self._closing_on_error(self._renew(token))
            case rules.StoreMessage(cmid, body):
                await self._store(cmid, self._service.send(*self._place, cmid=cmid, body=body))
            case rules.StoreEscalation(cmid, reason):
                await self._store(cmid, self._service.escalate(*self._place, cmid=cmid, reason=reason))
            case rules.MarkSeen(seq):
                if 0 < seq <= self._cursor:  # nobody has seen what was not sent
                    with suppress(Unavailable):
                        await self._service.mark_seen(self._place[1].conv, seq)
            case rules.ShowTyping(on):
                self._service.show_typing(self._place[1].conv, on)

    async def _closing_on_error(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except StaywellError as error:
            await self.close(error.close_code, error.reason)

    async def _greet(self, greet: rules.Greet) -> None:
        greeting = await self._service.greet(greet.hello)
        if self._live.draining:
            await self.close(Close.DEPLOY, "going away")
            return
        if not self._live.admit(self, greeting.access):
            await self.close(Close.RATE, "too many connections")
            return
        standing = greeting.standing
        self._access, self._standing, self._cursor = greeting.access, standing, greeting.after
        now = monotonic_ms()
        allowance = self._live.allowance(self, greeting.access, now)
        self._session.greeted(allowance, token_ms=self._service.life_left(greeting.access), now=now)
        await self._send(
            Ready(
                conv=standing.conv,
                epoch=standing.epoch,
                head=standing.head,
                resumed=standing.born and not greeting.reset,
                mode=standing.mode,
            )
        )
        if greeting.reset:
            await self._send(Reset(conv=standing.conv, epoch=standing.epoch, head=standing.head))
        # Subscribed before the first read, so that nothing falls between the two.
        self._subscription = self._live.bus.subscribe(f"contact:{greeting.access.contact_id}", f"conv:{standing.conv}")
        self._pump = asyncio.create_task(self._run_pump(self._subscription), name="chat-pump")

    async def _renew(self, token: str) -> None:
        access = await self._service.access(token)
        if not await self._service.belongs(access, self._place[1]):
            await self.close(Close.NOT_YOURS, "forbidden")
            return
        if not self._live.admit(self, access):
            await self.close(Close.RATE, "too many connections")
            return
        self._access = access
        if self._subscription is not None:
            self._subscription.add(f"contact:{access.contact_id}")
        self._session.renewed(token_ms=self._service.life_left(access), now=monotonic_ms())

    async def _store(self, cmid: str, work: Coroutine[Any, Any, Stored]) -> None:
        began = time.perf_counter()
        try:
            stored = await work
        except Conflict as error:
            await self._send(Nack(cmid=cmid, code="closed" if error.reason == "closed" else "cmid_conflict"))
        except Unavailable as error:
            code: NackCode = "overload" if error.reason == "overload" else "storage"
            await self._send(Nack(cmid=cmid, code=code, retry=True, after_ms=error.after_ms or 1000))
        except StaywellError as error:
            await self.close(error.close_code, error.reason)
        else:
            await self._enter(stored.standing, stored.standing.head - (0 if stored.appended.dup else 1))
            await self._send(Ack(cmid=cmid, seq=stored.appended.seq, dup=stored.appended.dup))
            self._live.metrics.ack_seconds.observe(time.perf_counter() - began)
            self._live.metrics.stored.labels("known" if stored.appended.dup else "new").inc()

    # --- sending ---

    async def _send(self, frame: Frame) -> None:
        """Sends one frame. Raises SlowConsumer when the client takes nothing, and WebSocketDisconnect when it is gone."""
        text = encode(frame)
        if isinstance(frame, Nack):
            self._live.metrics.refused.labels(frame.code).inc()
        try:
            async with asyncio.timeout(PATIENCE_S), self._sending:
                if self._closed:
                    raise WebSocketDisconnect(Close.DONE)
                await self._socket.send_text(text)
        except TimeoutError:
            raise SlowConsumer from None
        except RuntimeError:  # closed by the other task while this one waited
            raise WebSocketDisconnect(Close.DONE) from None

    async def _enter(self, standing: Standing, cursor: int) -> None:
        """The promised conversation was born, or another tab has opened one meanwhile: then the client is told to turn to that."""
        before = self._place[1]
        if before.born:
            return
        self._standing = standing
        if standing.conv != before.conv:
            self._cursor = cursor
            await self._send(Reset(conv=standing.conv, epoch=standing.epoch, head=cursor))
        if self._subscription is not None:
            self._subscription.add(f"conv:{standing.conv}")
            self._subscription.hint(f"conv:{standing.conv}")

    async def _run_pump(self, subscription: Subscription) -> None:
        try:
            with subscription:
                await self._pump_on(subscription)
        except WebSocketDisconnect:
            pass
        except SlowConsumer:
            await self.close(Close.SLOW, "slow consumer")
        except StaywellError as error:
            await self.close(error.close_code, error.reason)
        except Exception:
            log.exception("chat_bug", conv=self._standing and self._standing.conv)
            await self.close(Close.BUG, "a bug")
        finally:
            if self._followed is not None:
                self._live.heads.unfollow(self._followed, subscription)

    async def _pump_on(self, subscription: Subscription) -> None:
        while not self._closed:
            access, standing = self._place
            try:
                if not standing.born:
                    current = await self._service.current(access)
                    if current is not None:
                        await self._enter(current, current.head)
                        continue
                else:
                    if self._followed is None:  # once born, a connection stays in its conversation
                        self._followed = standing.conv
                        self._live.heads.follow(standing.conv, subscription)
                    if await self._send_new(access, standing):
                        continue
            except Unavailable as error:  # the database rests; what is new can wait for it
                log.warning("chat_not_read", reason=error.reason)
                await asyncio.sleep(1)
                continue
            await self._await_news(subscription)

    async def _await_news(self, subscription: Subscription) -> None:
        """Passes signals on until there may be something new in the log."""
        while True:
            changed = await subscription.wait(REREAD_S)
            signals = subscription.drain()
            for signal in signals:
                await self._pass_on(signal)
            if changed or not signals:
                return

    async def _send_new(self, access: Access, standing: Standing) -> bool:
        """Sends the next page of events; whether there may be more."""
        page = await self._service.read(access, standing.conv, self._cursor)
        if page is None:
            await self.close(Close.ERASED, "the conversation is gone")
            return False
        if page.standing.epoch != standing.epoch or page.standing.head < self._cursor:
            self._standing, self._cursor = page.standing, page.standing.head
            await self._send(Reset(conv=standing.conv, epoch=page.standing.epoch, head=self._cursor))
            return True
        for event in page.events:
            await self._send(event)
            self._cursor = event.seq
        return bool(page.events) and self._cursor < page.standing.head

    async def _pass_on(self, signal: Signal) -> None:
        frame: Frame
        match signal:
            case {"t": "typing", "from": "bot" | "agent" as sender, "on": on}:
                frame = TypingOut(sender=sender, on=on, name=signal.get("name"))
            case {"t": "seen", "by": "agent", "seq": seq}:
                frame = SeenOut(seq=seq)
            case {"t": "part", "reply_to": reply_to, "n": n, "body": body}:
                frame = Part(reply_to=reply_to, n=n, body=body)
            case _:
                return
        if not self._sending.locked():  # lossy: it does not wait behind what is durable
            await self._send(frame)
