from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from assistant.turns.inference import Heard, Inference, Request
from assistant.turns.ports import Unavailable
from retrieval.documents import Vector
from retrieval.encoders import load
from risk.types import Message, RiskScore

CALM = RiskScore(0.1, 0.1, 0.05, 0.2, dissatisfaction=0.1, need_human=0.05, band="low")


class Encoder:
    dim, fingerprint = 256, "hash"

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.hold = threading.Event()
        self.hold.set()
        self.poison: str | None = None
        self.wrong = False

    def encode(self, texts: Sequence[str]) -> Vector:
        self.hold.wait(5)
        self.calls.append(list(texts))
        if self.poison in texts:
            raise RuntimeError("poison")
        vectors = load("hash").encode(texts)
        return vectors[:, :3] if self.wrong else vectors


class Scorer:
    version, encoder_fingerprint = "v", "hash"

    def initial(self) -> int:
        return 0

    def advance(self, state: int, vector: Vector, message: Message) -> int:
        return state + 1

    def score(self, state: int, history: Any, as_of: int) -> RiskScore:
        return replace(CALM, churn=state / 10, high=1.0)


def turn(text: str, *, role: str = "contact", seq: int = 1, vector: Vector | None = None) -> Request:
    return Request(None, [Heard(seq, Message(role, text), vector)], None, as_of=0)  # type: ignore[arg-type]


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def make(encoder: Encoder) -> Iterator[Callable[..., Inference]]:
    made: list[Inference] = []

    def build(**options: Any) -> Inference:
        settings: dict[str, Any] = {"deadline_ms": 2000} | options
        made.append(Inference(settings.pop("encoder", encoder), settings.pop("scorer", Scorer()), **settings))
        return made[-1]

    yield build
    encoder.hold.set()
    for inference in made:
        inference.close()


async def test_what_waits_is_read_in_one_call(make: Any, encoder: Encoder) -> None:
    inference = make()
    encoder.hold.clear()
    reads = [asyncio.create_task(inference.read(turn(f"text {n}"))) for n in range(8)]
    await asyncio.sleep(0.05)
    encoder.hold.set()
    answers = await asyncio.gather(*reads)
    assert sum(len(call) for call in encoder.calls) == 8
    assert len(encoder.calls) <= 2  # what was there at once, and what came while that was held
    for n, answer in enumerate(answers):
        assert np.array_equal(answer.turn_vector, load("hash").encode([f"text {n}"])[0])
        assert answer.score.churn == 0.1


async def test_a_full_queue_is_an_answer(make: Any, encoder: Encoder) -> None:
    inference = make(max_waiting=2)
    encoder.hold.clear()
    reads = [asyncio.create_task(inference.read(turn(f"text {n}"))) for n in range(5)]
    await asyncio.sleep(0.05)
    encoder.hold.set()
    answers = await asyncio.gather(*reads)
    refused = [answer for answer in answers if answer.score == Unavailable("overload")]
    assert 2 <= len(refused) <= 3


async def test_a_late_answer_is_given_up_and_costs_nothing_more(make: Any, encoder: Encoder) -> None:
    inference = make(deadline_ms=50)
    encoder.hold.clear()
    started = time.perf_counter()
    first, second = await asyncio.gather(inference.read(turn("one")), inference.read(turn("two")))
    assert time.perf_counter() - started < 5  # which is how long the encoder would hold it
    assert first.score == second.score == Unavailable("deadline")
    encoder.hold.set()
    assert (await inference.read(turn("three"))).score.churn == 0.1
    assert ["two"] not in encoder.calls


async def test_one_poisonous_text_fails_alone(make: Any, encoder: Encoder) -> None:
    inference = make()
    encoder.poison = "bad"
    encoder.hold.clear()
    reads = [asyncio.create_task(inference.read(turn(text))) for text in ("warm-up", "good", "bad", "fine")]
    await asyncio.sleep(0.05)
    encoder.hold.set()
    answers = await asyncio.gather(*reads)
    assert answers[2].score == answers[2].turn_vector == Unavailable("encoder_failed")
    assert [a.score.churn for n, a in enumerate(answers) if n != 2] == [0.1] * 3


async def test_vectors_of_a_wrong_shape_are_not_used(make: Any, encoder: Encoder) -> None:
    encoder.wrong = True
    assert (await make().read(turn("one"))).turn_vector == Unavailable("encoder_failed")


async def test_without_a_scorer_the_vector_still_serves_retrieval(make: Any) -> None:
    answer = await make(scorer=Unavailable("no_model")).read(turn("one"))
    assert answer.score == Unavailable("no_model")
    assert answer.turn_vector.shape == (256,)


async def test_stored_vectors_and_known_replies_are_not_embedded_again(make: Any, encoder: Encoder) -> None:
    inference = make()
    stored = load("hash").encode(["stored"])[0]
    talk = [
        Heard(1, Message("contact", "stored"), stored),
        Heard(2, Message("bot", "we look into it")),
        Heard(3, Message("contact", "thanks")),
    ]
    answer = await inference.read(Request(None, talk, None, as_of=0))
    assert answer.state == {"v": 3}
    assert set(answer.embedded) == {2, 3}
    await inference.read(Request(None, [*talk[:2], Heard(3, Message("contact", "again"))], None, as_of=0))
    assert encoder.calls == [["we look into it", "thanks"], ["again"]]


async def test_closing_answers_what_waits(make: Any, encoder: Encoder) -> None:
    inference = make()
    encoder.hold.clear()
    read = asyncio.create_task(inference.read(turn("one")))
    await asyncio.sleep(0.02)
    encoder.hold.set()
    await asyncio.to_thread(inference.close)
    assert (await read).score.churn == 0.1


async def test_whoever_comes_after_closing_is_told(make: Any, encoder: Encoder) -> None:
    inference = make()
    await asyncio.to_thread(inference.close)
    assert (await inference.read(turn("one"))).score == Unavailable("closed")
    assert encoder.calls == []


async def test_a_turn_that_is_cancelled_is_not_encoded(make: Any, encoder: Encoder) -> None:
    inference = make()
    encoder.hold.clear()
    first = asyncio.create_task(inference.read(turn("one")))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(inference.read(turn("two")))
    await asyncio.sleep(0.05)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    encoder.hold.set()
    assert (await first).score.churn == 0.1
    assert (await inference.read(turn("three"))).score.churn == 0.1
    assert encoder.calls == [["one"], ["three"]]


class Panic(BaseException):
    """What a tokenizer in Rust raises: no Exception."""


async def test_a_panic_fails_its_turn_and_not_the_thread(make: Any, encoder: Encoder) -> None:
    inference = make()
    whole = encoder.encode

    def encode(texts: Sequence[str]) -> Vector:
        if "bad" in texts:
            raise Panic
        return whole(texts)

    encoder.encode = encode  # type: ignore[method-assign]
    encoder.hold.clear()
    reads = [asyncio.create_task(inference.read(turn(text))) for text in ("warm-up", "good", "bad")]
    await asyncio.sleep(0.05)
    encoder.hold.set()
    answers = await asyncio.gather(*reads)
    assert answers[2].turn_vector == Unavailable("encoder_failed")
    assert (await inference.read(turn("after"))).score.churn == 0.1
    assert [answers[0].score.churn, answers[1].score.churn] == [0.1, 0.1]


async def test_a_panic_of_the_model_fails_its_turn_and_not_the_thread(make: Any) -> None:
    class Broken(Scorer):
        def score(self, state: int, history: Any, as_of: int) -> RiskScore:
            raise Panic

    inference = make(scorer=Broken())
    for _ in range(2):
        assert isinstance((await inference.read(turn("one"))).score, Unavailable)


async def test_turns_are_read_in_the_order_in_which_they_came(make: Any, encoder: Encoder) -> None:
    read: list[int] = []

    class Noting(Scorer):
        def score(self, state: int, history: Any, as_of: int) -> RiskScore:
            read.append(as_of)
            return super().score(state, history, as_of)

    inference = make(scorer=Noting())
    encoder.hold.clear()
    reads = [asyncio.create_task(inference.read(replace(turn(f"text {9 - n}"), as_of=n))) for n in range(10)]
    await asyncio.sleep(0.05)
    encoder.hold.set()
    await asyncio.gather(*reads)
    assert read == list(range(10))


def test_many_threads_each_get_their_own_answer(make: Any) -> None:
    inference = make(deadline_ms=10_000)
    wrong: list[str] = []

    def ask(who: int) -> None:
        async def turns() -> None:
            for n in range(20):
                text = f"customer {who} says {n}"
                answer = await inference.read(turn(text))
                if not np.array_equal(answer.turn_vector, load("hash").encode([text])[0]):
                    wrong.append(text)

        asyncio.run(turns())

    threads = [threading.Thread(target=ask, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


async def test_a_reply_that_is_forgotten_meanwhile_is_still_there_for_its_turn(
    make: Any, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.turns.inference.CACHED_REPLIES", 1)
    inference = make()
    known = [Heard(1, Message("bot", "known")), Heard(2, Message("contact", "yes"))]
    await inference.read(Request(None, known, None, as_of=0))
    later = [Heard(1, Message("bot", "new")), Heard(2, Message("bot", "known")), Heard(3, Message("contact", "yes"))]
    answer = await inference.read(Request(None, later, None, as_of=0))
    assert set(answer.embedded) == {1, 2, 3}
