from __future__ import annotations

from typing import Any

from assistant.turns import jobs
from assistant.turns.jobs import Job


def lease(shop: Any, now: int, owner: str = "a", limit: int = 10) -> list[Job]:
    return shop.storage.write_sync(lambda c: jobs.lease(c, owner=owner, now=now, lease_ms=1000, limit=limit))


def write(shop: Any, work: Any) -> Any:
    return shop.storage.write_sync(work)


async def test_enqueue_is_idempotent_and_never_reopens(shop: Any) -> None:
    seq = shop.say("one")
    write(shop, lambda c: jobs.enqueue(c, shop.conversation_id, seq, 5))
    assert len(shop.jobs) == 1
    (job,) = lease(shop, shop.parts.now())
    assert write(shop, lambda c: jobs.finish(c, job, now=9)) is True
    write(shop, lambda c: jobs.enqueue(c, shop.conversation_id, seq, 10))
    assert shop.jobs[0].state == "done"


async def test_one_turn_at_a_time_in_a_conversation_in_order(shop: Any) -> None:
    first, second = shop.say("one"), shop.say("two")
    now = shop.parts.now()
    (job,) = lease(shop, now)
    assert job.seq == first
    assert lease(shop, now) == []
    write(shop, lambda c: jobs.finish(c, job, now=now))
    assert [j.seq for j in lease(shop, now)] == [second]


async def test_a_lease_that_ran_out_is_taken_again_and_fences_the_first_holder(shop: Any) -> None:
    shop.say("one")
    now = shop.parts.now()
    (mine,) = lease(shop, now, "a")
    assert lease(shop, now + 900, "b") == []
    (theirs,) = lease(shop, now + 1001, "b")
    assert theirs.attempts == 2
    assert write(shop, lambda c: jobs.holds(c, mine)) is False
    assert write(shop, lambda c: jobs.finish(c, mine, now=now)) is False
    assert write(shop, lambda c: jobs.finish(c, theirs, now=now)) is True


async def test_a_renewed_lease_is_not_taken(shop: Any) -> None:
    shop.say("one")
    now = shop.parts.now()
    held = lease(shop, now)
    write(shop, lambda c: jobs.renew(c, held, now=now + 900, lease_ms=1000))
    assert lease(shop, now + 1500, "b") == []


async def test_retries_wait_twice_as_long_each_time(shop: Any) -> None:
    shop.say("one")
    now = shop.parts.now()
    pauses = []
    for _ in range(9):
        (job,) = lease(shop, now)
        write(shop, lambda c, job=job, now=now: jobs.retry(c, job, now=now, error="x" * 500))
        pauses.append(shop.jobs[0].not_before - now)
        now = shop.jobs[0].not_before
    assert pauses == [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]
    assert len(shop.jobs[0].last_error) == 200


async def test_a_released_job_costs_no_attempt(shop: Any) -> None:
    shop.say("one")
    now = shop.parts.now()
    (job,) = lease(shop, now)
    write(shop, lambda c: jobs.release(c, job, now=now))
    (again,) = lease(shop, now, "b")
    assert again.attempts == 1


async def test_waiting_says_whether_there_is_work(shop: Any) -> None:
    now = shop.parts.now()
    assert shop.storage.read_sync(lambda c: jobs.waiting(c, now)) is False
    shop.say("one")
    assert shop.storage.read_sync(lambda c: jobs.waiting(c, now + 1000)) is True
    assert shop.storage.read_sync(jobs.open_jobs) == 1
