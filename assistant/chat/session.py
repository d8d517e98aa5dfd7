"""The rules of one chat connection, without I/O: raw frames and the time go in, actions come out.

Nothing here awaits, reads a clock or knows the database. The shell around it (`assistant.chat.socket`) carries the actions out and
tells the session what came of them. `now` is monotonic milliseconds.

States: new → (hello accepted) → open → closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter

from assistant.chat.frames import Auth, ClientFrame, Escalate, Hello, Msg, Nack, NackCode, Ping, Pong, Seen, Typing
from assistant.errors import BadFrame
from assistant.limits import Allowance, Bucket
from assistant.wire import MAX_BODY, Close, Frame, decode

HELLO_MS: Final = 5_000
IDLE_MS: Final = 40_000  # a client pings every 30 s at the latest
BAD_FRAMES: Final = 3  # the last of them closes
RATE_REFUSALS: Final = 20  # in a row; the next one closes
FRAMES_PER_10S: Final = 200  # of any kind; more is a flood

_FRAMES: Final[TypeAdapter[ClientFrame]] = TypeAdapter(ClientFrame)
_INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff"  # not white space to Python, yet nothing to read


@dataclass(frozen=True, slots=True)
class Send:
    """Send this frame."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class End:
    """Close the connection. `reason` is for people and logs."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Greet:
    """Check the token and find the conversation; then `greeted`, or close."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class StoreMessage:
    """Store a message durably, then ack or nack."""

    cmid: str
    body: str


@dataclass(frozen=True, slots=True)
class StoreEscalation:
    """Store a request for a person durably, then ack or nack."""

    cmid: str
    reason: str


@dataclass(frozen=True, slots=True)
class MarkSeen:
    """Note how far the contact has read; lossy."""

    seq: int


@dataclass(frozen=True, slots=True)
class ShowTyping:
    """Tell others that the contact types; lossy."""

    on: bool


@dataclass(frozen=True, slots=True)
class Renew:
    """Check a new token; then `renewed`, or close."""

    token: str


Action = Send | End | Greet | StoreMessage | StoreEscalation | MarkSeen | ShowTyping | Renew


class Session:
    """One connection's state. Each method says what to do next; an ended session answers nothing more."""

    def __init__(self, now: int) -> None:
        self.open = False
        self.ended = False
        self.refused: str | None = None  # why the last frame was refused, for the log: the rule, never the text
        self._deadline = now + HELLO_MS
        self._token_until = 0
        self._bad_frames = 0
        self._rate_refusals = 0
        self._flood = Bucket(FRAMES_PER_10S, 10_000, now)
        self._allowance: Allowance | None = None

    # --- what the shell tells ---

    def greeted(self, allowance: Allowance, *, token_ms: int, now: int) -> None:
        """The hello was accepted; the token lives for another `token_ms`."""
        self.open = True
        self._allowance = allowance
        self._deadline = now + IDLE_MS
        self._token_until = now + token_ms

    def renewed(self, *, token_ms: int, now: int) -> None:
        """A new token was accepted."""
        self._token_until = now + token_ms

    @property
    def deadline(self) -> int:
        """When `tick` has something to say, unless a frame comes first."""
        return min(self._deadline, self._token_until) if self.open else self._deadline

    def tick(self, now: int) -> tuple[Action, ...]:
        """What is due."""
        if self.ended or now < self.deadline:
            return ()
        if not self.open:
            return self._end(Close.TIMEOUT, "no hello in time")
        if now >= self._token_until:
            return self._end(Close.TOKEN, "the token ran out")
        return self._end(Close.TIMEOUT, "no heartbeat")

    def receive(self, raw: str | bytes, now: int) -> tuple[Action, ...]:
        """Takes one frame in: text, or bytes for a binary frame, which the protocol does not have."""
        self.refused = None
        if self.ended:
            return ()
        if isinstance(raw, bytes):
            return self._end(Close.BINARY, "binary frame")
        if self._flood.wait_ms(now):
            return self._end(Close.RATE, "too many frames")
        self._flood.take()
        try:
            frame = decode(raw, _FRAMES)
        except BadFrame as error:
            return self._bad(error, now)
        if not self.open:
            return self._before_hello(frame)
        self._deadline = now + IDLE_MS
        return self._handle(frame, now)

    # --- frames ---

    def _before_hello(self, frame: ClientFrame) -> tuple[Action, ...]:
        if isinstance(frame, Hello):
            return (Greet(frame),)
        return self._end(Close.TOKEN, "a token comes first")

    def _handle(self, frame: ClientFrame, now: int) -> tuple[Action, ...]:
        match frame:
            case Msg(cmid=cmid, body=body):
                if not body.strip().strip(_INVISIBLE).strip():
                    return self._nack(cmid, "empty")
                if len(body) > MAX_BODY:
                    return self._nack(cmid, "too_long")
                return self._within_rate(cmid, now) or (StoreMessage(cmid, body),)
            case Escalate(cmid=cmid, reason=reason):
                return self._within_rate(cmid, now) or (StoreEscalation(cmid, reason),)
            case Seen(seq=seq):
                return (MarkSeen(seq),)
            case Typing(on=on):
                return (ShowTyping(on),)
            case Ping(n=n):
                return (Send(Pong(n=n)),)
            case Auth(token=token):
                return (Renew(token),)
            case Hello():
                return self._bad(BadFrame("a second hello"), now)

    def _within_rate(self, cmid: str, now: int) -> tuple[Action, ...]:
        """Empty when the contact may send now."""
        wait = self._allowance.take(now) if self._allowance is not None else 0
        if wait == 0:
            self._rate_refusals = 0
            return ()
        self._rate_refusals += 1
        if self._rate_refusals > RATE_REFUSALS:
            return self._end(Close.RATE, "went on sending too fast")
        self.refused = "rate"
        return (Send(Nack(cmid=cmid, code="rate", retry=True, after_ms=wait)),)

    def _bad(self, error: BadFrame, now: int) -> tuple[Action, ...]:
        if error.reason == "too_big":
            return self._end(Close.TOO_BIG, "the frame is too big")
        if self.open:
            self._deadline = now + IDLE_MS  # it lives, if badly
        self.refused = str(error)
        code: NackCode = "bad_frame"
        if error.reason == "bad_text":
            code = "bad_text"
        elif error.reason == "unknown_type":
            # A newer client may know frames that this server does not: that alone is no reason to part.
            return (Send(Nack(cmid=error.cmid, code="unknown_type")),)
        self._bad_frames += 1
        nack = Send(Nack(cmid=error.cmid, code=code))
        if self._bad_frames >= BAD_FRAMES:
            return (nack, *self._end(Close.BAD_FRAMES, "too many bad frames"))
        return (nack,)

    def _nack(self, cmid: str, code: NackCode) -> tuple[Action, ...]:
        self.refused = code
        return (Send(Nack(cmid=cmid, code=code)),)

    def _end(self, code: int, reason: str) -> tuple[Action, ...]:
        self.ended = True
        return (End(code, reason),)
