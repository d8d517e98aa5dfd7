"""Token buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant.limits import Allowance, Allowances, Bucket


@given(st.integers(1, 50), st.lists(st.integers(0, 3_000), max_size=200))
def test_no_window_holds_more_than_two_bursts(burst: int, pauses: list[int]) -> None:
    """A bucket that is full at the start of a window gives its burst, and what is refilled within."""
    bucket, now, taken = Bucket(burst, 10_000, 0), 0, []
    for pause in pauses:
        now += pause
        if bucket.wait_ms(now) == 0:
            bucket.take()
            taken.append(now)
    for start in taken:
        assert sum(start <= at < start + 10_000 for at in taken) <= 2 * burst


def test_the_wait_is_exact() -> None:
    bucket = Bucket(5, 10_000, 0)
    for _ in range(5):
        assert bucket.wait_ms(0) == 0
        bucket.take()
    assert bucket.wait_ms(0) == 2_000
    assert bucket.wait_ms(1_999) == 1
    assert bucket.wait_ms(2_000) == 0


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    bucket = Bucket(1, 10_000, 50_000)
    bucket.take()
    assert bucket.wait_ms(40_000) == 10_000


def test_both_limits_hold() -> None:
    allowance = Allowance(5, 6, 0)
    assert [allowance.take(0) == 0 for _ in range(6)] == [True] * 5 + [False]
    assert allowance.take(2_000) == 0
    assert allowance.take(4_000) > 0  # the minute's are used up


def test_what_is_refused_by_one_is_taken_from_none() -> None:
    site, contact = Allowance(3, 3, 0), Allowance(5, 5, 0)
    both = contact.within(site)
    assert [both.take(0) == 0 for _ in range(4)] == [True, True, True, False]
    assert [contact.take(0) == 0 for _ in range(3)] == [True, True, False]


def test_connections_of_a_contact_share_and_the_longest_quiet_is_forgotten() -> None:
    allowances = Allowances(1, 1, most=2)
    first = allowances.of("a", 0)
    assert allowances.of("a", 0) is first
    allowances.of("b", 0)
    allowances.of("a", 0)
    allowances.of("c", 0)  # b goes
    assert allowances.of("a", 0) is first
