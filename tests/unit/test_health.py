"""Ready means that a durable write goes through; late is measured; /metrics shows it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from assistant.health import LoopWatch, build_router
from assistant.storage.engine import Storage


def client(storage: Storage, *, draining: bool = False, registry: CollectorRegistry | None = None) -> httpx.AsyncClient:
    app = FastAPI()
    degraded = {"model": "no model"}
    app.include_router(
        build_router(storage, registry or CollectorRegistry(), lambda: 1, lambda: degraded, lambda: draining)
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.fixture
def storage(database_url: str) -> Iterator[Storage]:
    storage = Storage(database_url, busy_s=1)
    yield storage
    storage.close()


async def test_ready_when_a_write_goes_through_whatever_is_degraded(storage: Storage) -> None:
    async with client(storage) as http:
        for _ in range(2):
            answer = await http.get("/readyz")
            assert answer.status_code == 200
            assert answer.json() == {"status": "ready", "problem": None, "degraded": {"model": "no model"}}


async def test_workers_asked_at_once_are_all_ready(database_url: str, storage: Storage) -> None:
    other = Storage(database_url)
    async with client(storage) as one, client(other) as two:
        answers = await asyncio.gather(*(http.get("/readyz") for _ in range(20) for http in (one, two)))
    other.close()
    assert {answer.status_code for answer in answers} == {200}


async def test_unready_when_nothing_can_be_written(storage: Storage) -> None:
    """A full disk is tried in the fault runs."""
    await asyncio.to_thread(storage.close)
    async with client(storage) as http:
        answer = await http.get("/readyz")
        assert (answer.status_code, answer.json()["problem"]) == (503, "storage")
        assert (await http.get("/healthz")).status_code == 200


async def test_unready_while_draining(storage: Storage) -> None:
    async with client(storage, draining=True) as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["problem"]) == (503, "draining")


async def test_a_blocked_loop_is_measured_and_said(storage: Storage) -> None:
    registry = CollectorRegistry()
    watch = LoopWatch(registry, every_s=0.01, worth_a_line_s=0.1)
    with capture_logs() as lines:
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(0.05)
        time.sleep(0.2)  # noqa: ASYNC251 - the fault that is to be noticed
        await asyncio.sleep(0.05)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    assert [line["event"] for line in lines] == ["loop_blocked"]
    assert 0.1 < lines[0]["seconds"] < 2
    async with client(storage, registry=registry) as http:
        shown = (await http.get("/metrics")).text
    late = registry.get_sample_value("staywell_loop_late_seconds_sum")
    assert late is not None
    assert late > 0.1
    assert "staywell_loop_late_seconds_bucket" in shown
