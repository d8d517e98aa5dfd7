"""A server that fails is left alone, tried again, and believed when it answers."""

from __future__ import annotations

from assistant.writers.breaker import FAILURES, LONGEST_REST_MS, REST_MS, Breaker


def broken(now: int = 0) -> Breaker:
    breaker = Breaker()
    for _ in range(FAILURES):
        assert breaker.allows(now)
        breaker.failed(now)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker()
    for _ in range(3 * FAILURES):
        breaker.failed(0)
        breaker.succeeded()
    assert breaker.allows(0)
    assert not broken().allows(REST_MS - 1)


def test_one_call_may_try_after_the_rest() -> None:
    breaker = broken()
    assert breaker.allows(REST_MS)
    assert not breaker.allows(REST_MS)
    breaker.succeeded()
    assert not breaker.open
    assert breaker.allows(REST_MS)


def test_a_try_that_fails_doubles_the_rest_up_to_a_limit() -> None:
    breaker, now, rest = broken(), 0, REST_MS
    for _ in range(8):
        now += rest
        assert breaker.allows(now)
        breaker.failed(now)
        rest = min(2 * rest, LONGEST_REST_MS)
        assert not breaker.allows(now + rest - 1)
    breaker.allows(now + rest)
    breaker.succeeded()
    assert not any(not breaker.allows(now) for _ in range(3))


def test_a_try_that_was_given_up_leaves_room_for_the_next() -> None:
    breaker = broken()
    assert breaker.allows(REST_MS)
    breaker.abandoned()
    assert breaker.allows(REST_MS)
