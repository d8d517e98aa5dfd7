"""The inference thread: embeds what is new in a conversation, moves its state on and scores it, within a deadline.

One thread, because more only fight over the same cores. It drains what waits into one encoder call and never waits for more. What
cannot be answered is answered with a typed `Unavailable`: `overload` when the queue is full, `deadline` when it is late, `closed`
when the server goes away, and the fault of the model when that failed. A batch that fails is tried one by one, so that one bad
text fails alone. Whatever a model raises fails those who wait for it and never the thread.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import structlog

from assistant.turns.ports import State, Unavailable
from assistant.turns.served import Health, Served, Shadow
from retrieval.documents import Encoder, Vector
from risk.types import History, Message, ModelFault, RiskScore, Scorer

log = structlog.get_logger()

MAX_BATCH: Final = 32
CACHED_REPLIES: Final = 4096


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of the conversation with its place, and its vector when that is stored already."""

    seq: int
    message: Message
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A turn to be read. `state` None: from the start; `messages` follow it, the last one is the turn itself.

    `turn_vector` is given when the state has already heard the turn (a retry), and `messages` are empty. `served` are the models
    that made the state; None takes those that serve now. `customer` decides which of them serves.
    """

    state: State | None
    messages: Sequence[Heard]
    history: History | None
    as_of: int
    turn_vector: Vector | None = None
    served: Served | None = None
    customer: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the models made of a turn. `embedded` holds the vectors made now, by seq, to be stored.

    `late` is set when the deadline passed while the models were at work: what they make of the turn still comes, too late for
    this turn and in time for the next.
    """

    turn_vector: Vector | Unavailable
    score: RiskScore | Unavailable
    state: State | None = None
    embedded: Mapping[int, Vector] = field(default_factory=dict)
    late: Future[Reading] | None = None
    shadow: tuple[Shadow, ...] = ()
    model: str | None = None  # whose score it is


@dataclass(frozen=True, slots=True)
class _Opinion:
    """One model's part: its score, and its state where it has one."""

    score: RiskScore | Unavailable
    state: State | None
    ms: float


@dataclass(slots=True)
class _Waiting:
    request: Request
    done: Future[Reading]


class Inference:
    """Encoder and scorer behind one thread and one bounded queue. Safe from any thread."""

    def __init__(
        self, encoder: Encoder | Unavailable, scorer: Scorer | Unavailable, *, deadline_ms: int, max_waiting: int = 256
    ) -> None:
        self.encoder = encoder
        self._served = Served(scorer)
        self._health: dict[str, Health] = {}
        self._deadline_s = deadline_ms / 1000
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(max_waiting)
        self._replies: OrderedDict[str, Vector] = OrderedDict()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    @property
    def served(self) -> Served:
        """The models that serve now."""
        return self._served

    def swap(self, served: Served) -> None:
        """Lets other models serve from the next turn on. What waits already is answered by those it was asked of."""
        self._served = served

    def health(self, version: str) -> Health:
        """How a model did lately."""
        return self._health.setdefault(version, Health())

    @property
    def scorer(self) -> Scorer | Unavailable:
        """The champion."""
        return self._served.champion

    @property
    def model(self) -> str:
        """The champion's version."""
        return "none" if isinstance(self.scorer, Unavailable) else self.scorer.version

    @property
    def fingerprint(self) -> str:
        """The encoder's."""
        return "none" if isinstance(self.encoder, Unavailable) else self.encoder.fingerprint

    @property
    def length(self) -> int:
        """Requests that wait."""
        return self._waiting.qsize()

    async def read(self, request: Request) -> Reading:
        """Embeds and scores within the deadline. Never raises for the models' sake: what is missing says why."""
        waiting = _Waiting(request, Future())
        if self._closed:
            return _nothing("closed")
        try:
            self._waiting.put_nowait(waiting)
        except queue.Full:
            return _nothing("overload")
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.shield(asyncio.wrap_future(waiting.done))
        except TimeoutError:
            late = None if waiting.done.cancel() else waiting.done
            return replace(_nothing("deadline"), late=late)
        except asyncio.CancelledError:
            waiting.done.cancel()  # nobody waits for it any more
            raise

    def close(self) -> None:
        """Answers what waits, then stops. What is asked from now on is answered with `closed`."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join(timeout=10)

    # --- the thread ---

    def _run(self) -> None:
        self._serve()
        while True:  # who came in beside the last call to close
            try:
                waiting = self._waiting.get_nowait()
            except queue.Empty:
                return
            if waiting is not None and waiting.done.set_running_or_notify_cancel():
                waiting.done.set_result(_nothing("closed"))

    def _serve(self) -> None:
        while True:
            first = self._waiting.get()
            if first is None:
                return
            batch = [first]
            last = False
            while len(batch) < MAX_BATCH:
                try:
                    more = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if more is None:
                    last = True
                    break
                batch.append(more)
            # Whoever gave up meanwhile costs nothing more.
            live = [waiting for waiting in batch if waiting.done.set_running_or_notify_cancel()]
            self._answer(live)
            if last:
                return

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            vectors = self._embed([waiting.request for waiting in batch])
        except BaseException as error:  # a panic of a tokenizer in Rust is no Exception
            if len(batch) > 1:
                for waiting in batch:
                    self._answer([waiting])
                return
            log.warning("encoder_failed", error=type(error).__name__)
            vectors = [Unavailable("encoder_failed") for _ in batch]
        for waiting, embedded in zip(batch, vectors, strict=True):
            try:
                waiting.done.set_result(self._read(waiting.request, embedded))
            except BaseException as error:  # a defect here must not leave a caller hanging
                log.error("inference_failed", error=type(error).__name__)
                waiting.done.set_result(_nothing("inference_failed"))

    def _embed(self, requests: Sequence[Request]) -> list[dict[int, Vector] | Unavailable]:
        """The missing vectors of each request, by seq: one encoder call for all of them."""
        if isinstance(self.encoder, Unavailable):
            return [self.encoder for _ in requests]
        missing = (heard.message.text for request in requests for heard in request.messages if heard.vector is None)
        wanted = list(dict.fromkeys(missing))
        vectors = {text: self._replies[text] for text in wanted if text in self._replies}
        fresh = [text for text in wanted if text not in vectors]
        if fresh:
            rows = np.asarray(self.encoder.encode(fresh), dtype=np.float32)
            if rows.shape != (len(fresh), self.encoder.dim) or not np.isfinite(rows).all():
                raise ModelFault("the encoder gave vectors of a wrong shape, or numbers that are none")
            vectors |= zip(fresh, rows, strict=True)
        answers: list[dict[int, Vector] | Unavailable] = []
        for request in requests:
            answer: dict[int, Vector] = {}
            for heard in request.messages:
                if heard.vector is None:
                    text = heard.message.text
                    answer[heard.seq] = vectors[text]
                    if heard.message.role == "bot":
                        self._remember(text, answer[heard.seq])
            answers.append(answer)
        return answers

    def _remember(self, text: str, vector: Vector) -> None:
        """The bot says the same things often; they are embedded once."""
        self._replies[text] = vector
        self._replies.move_to_end(text)
        if len(self._replies) > CACHED_REPLIES:
            self._replies.popitem(last=False)

    def _read(self, request: Request, embedded: dict[int, Vector] | Unavailable) -> Reading:
        if isinstance(embedded, Unavailable):
            return Reading(embedded, embedded)
        turn_vector = request.turn_vector
        if request.messages:
            last = request.messages[-1]
            turn_vector = last.vector if last.vector is not None else embedded[last.seq]
        if turn_vector is None:
            return _nothing("no_turn")
        served = request.served or self._served
        arms = served.arms(request.customer)
        if isinstance(arms, Unavailable):
            return Reading(turn_vector, arms, None, embedded)
        opinions = {scorer.version: _opinion(scorer, request, embedded) for scorer in arms if scorer is not None}
        for version, found in opinions.items():
            self.health(version).note(sound=not isinstance(found.score, Unavailable), ms=found.ms)
        states = {version: found.state for version, found in opinions.items() if found.state is not None}
        sound = [version for version, found in opinions.items() if not isinstance(found.score, Unavailable)]
        # The first serves, unless it is a canary that failed: that costs nobody a turn.
        lead = sound[0] if sound and arms[0] is served.challenger else arms[0].version
        shadow = tuple(
            Shadow(version, found.score.churn, round(found.ms, 3))
            for version, found in opinions.items()
            if version != lead and not isinstance(found.score, Unavailable)
        )
        return Reading(turn_vector, opinions[lead].score, states or None, embedded, shadow=shadow, model=lead)


def _opinion(scorer: Scorer, request: Request, embedded: Mapping[int, Vector]) -> _Opinion:
    """Moves one model's state on and scores it; a model that fails is answered for, never raised."""
    started = time.thread_time()  # the thread's own: a busy machine is no fault of the model

    def after(score: RiskScore | Unavailable, state: State | None) -> _Opinion:
        return _Opinion(score, state, (time.thread_time() - started) * 1000)

    try:
        state = scorer.initial() if request.state is None else request.state[scorer.version]
        for heard in request.messages:
            vector = heard.vector if heard.vector is not None else embedded[heard.seq]
            state = scorer.advance(state, vector, heard.message)
        score = scorer.score(state, request.history, request.as_of)
    except ModelFault:
        return after(Unavailable("model_fault"), None)
    except Exception as error:
        log.error("model_failed", model=scorer.version, error=type(error).__name__)
        return after(Unavailable("model_failed"), None)
    return after(score if _honest(score) else Unavailable("bad_number"), state)


def _nothing(reason: str) -> Reading:
    return Reading(Unavailable(reason), Unavailable(reason))


def _honest(score: RiskScore) -> bool:
    """All probabilities finite and in [0, 1], the interval in order."""
    numbers = (score.churn, score.churn_raw, score.low, score.high, score.dissatisfaction, score.need_human)
    return all(math.isfinite(number) and 0.0 <= number <= 1.0 for number in numbers) and score.low <= score.high
