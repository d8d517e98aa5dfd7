from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete

from assistant.storage.tables import event
from assistant.turns import runner as runner_module
from assistant.turns.runner import Runner


async def running(shop: Any, **options: Any) -> tuple[Runner, asyncio.Task[None]]:
    runner = Runner(shop.parts, **options)
    task = asyncio.create_task(runner.run())
    await asyncio.sleep(0)
    return runner, task


async def test_turns_are_answered_as_they_come(shop: Any, until: Callable[..., Any]) -> None:
    runner, task = await running(shop)
    shop.say("where is my parcel")
    shop.parts.bus.publish("turns")
    await until(lambda: len(shop.decisions) == 1)
    runner.stop()
    await asyncio.wait_for(task, 3)
    assert shop.jobs[0].state == "done"


async def test_work_left_by_a_crash_is_done_at_the_start(shop: Any, until: Callable[..., Any]) -> None:
    shop.say("where is my parcel")
    shop.lease()  # by a worker that died; its lease runs out
    shop.say("and my refund")
    shop.parts = shop.parts.__class__(
        **{**{f: getattr(shop.parts, f) for f in shop.parts.__slots__}, "now": lambda: 10**13}
    )
    runner, task = await running(shop)
    await until(lambda: len(shop.decisions) == 2)
    runner.stop()
    await asyncio.wait_for(task, 3)
    assert [row.seq for row in shop.decisions] == [1, 2]
    assert shop.decisions[0].overrides == ["superseded"]


async def test_a_turn_that_keeps_failing_ends_with_the_fallback(
    shop: Any, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    async def broken(job: Any, parts: Any) -> None:
        tries.append(job.attempts)
        raise RuntimeError("boom")

    monkeypatch.setattr(runner_module, "handle_turn", broken)
    monkeypatch.setattr("assistant.turns.jobs.FIRST_RETRY_MS", 1)
    monkeypatch.setattr(runner_module, "REREAD_S", 0.02)
    shop.say("where is my parcel")
    runner, task = await running(shop)
    await until(lambda: len(shop.decisions) == 1)
    runner.stop()
    await asyncio.wait_for(task, 3)
    assert tries == [1, 2, 3]
    assert shop.decisions[0].overrides == ["failed"]
    assert shop.decisions[0].kind == "escalate"


async def test_a_message_that_was_erased_is_let_go(shop: Any, until: Callable[..., Any]) -> None:
    shop.say("where is my parcel")
    shop.storage.write_sync(lambda c: c.execute(delete(event)))
    runner, task = await running(shop)
    await until(lambda: shop.jobs[0].state == "done")
    runner.stop()
    await asyncio.wait_for(task, 3)
    assert shop.decisions == []


async def test_stopping_gives_unfinished_turns_back(
    shop: Any, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.with_parts(burst_pause_ms=10_000)
    monkeypatch.setattr(runner_module, "GRACE_S", 0.05)
    shop.say("where is my parcel")
    runner, task = await running(shop)
    await until(lambda: runner.running == 1)
    runner.stop()
    await asyncio.wait_for(task, 3)
    (job,) = shop.jobs
    assert (job.state, job.attempts) == ("pending", 0)
    assert shop.decisions == []


async def test_a_long_pause_does_not_lose_the_lease(shop: Any, until: Callable[..., Any]) -> None:
    shop.with_parts(burst_pause_ms=700)
    shop.say("where is my parcel")
    runner, task = await running(shop, lease_ms=150)
    await until(lambda: len(shop.decisions) == 1)
    runner.stop()
    await asyncio.wait_for(task, 3)
    assert shop.jobs[0].attempts == 1


async def test_a_database_that_cannot_answer_is_asked_again(
    shop: Any, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from assistant.errors import Unavailable

    honest, faults = shop.storage.read, iter(range(1))

    async def flaky(work: Any) -> Any:
        if next(faults, None) is not None:
            raise Unavailable("gone", code="storage")
        return await honest(work)

    monkeypatch.setattr(shop.storage, "read", flaky)
    shop.say("where is my parcel")
    runner, task = await running(shop)
    await until(lambda: len(shop.decisions) == 1)
    runner.stop()
    await asyncio.wait_for(task, 3)
