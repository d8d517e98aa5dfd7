"""/healthz, /readyz and /metrics: does the process live, can it take messages, and how is it doing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from sqlalchemy import Connection, text

from assistant.errors import StaywellError
from assistant.storage.engine import Storage

log = structlog.get_logger()

# One statement: two workers that are asked at once must not stumble over each other's row.
_PROBE: Final = text(
    "INSERT INTO meta (key, value) VALUES ('ready_probe', :value) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)
_LATE_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LoopWatch:
    """Measures how late the event loop is: while something computes in it, nobody is answered."""

    def __init__(self, registry: CollectorRegistry, *, every_s: float = 0.5, worth_a_line_s: float = 1.0) -> None:
        self._every_s = every_s
        self._worth_a_line_s = worth_a_line_s
        self._late = Histogram(
            "staywell_loop_late_seconds",
            "How late the event loop turns to what is due.",
            buckets=_LATE_S,
            registry=registry,
        )

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._every_s
            await asyncio.sleep(self._every_s)
            late = max(0.0, loop.time() - due)
            self._late.observe(late)
            if late >= self._worth_a_line_s:
                log.warning("loop_blocked", seconds=round(late, 3))


def build_router(
    storage: Storage,
    registry: CollectorRegistry,
    clock: Callable[[], int],
    degraded: Callable[[], Mapping[str, str]],
    draining: Callable[[], bool],
) -> APIRouter:
    """`degraded()`: parts that work with less than they should, and why; they do not make the server unready."""
    router = APIRouter()

    @router.get("/healthz", tags=["operations"])
    async def healthz() -> dict[str, str]:
        """The process lives and its event loop turns."""
        return {"status": "ok"}

    @router.get("/readyz", tags=["operations"], responses={503: {"description": "not ready"}})
    async def readyz() -> JSONResponse:
        """A durable write goes through, so that messages can be taken; lists what is degraded."""

        def probe(connection: Connection) -> None:
            connection.execute(_PROBE, {"value": str(clock())})

        problem: str | None = None
        if draining():
            problem = "draining"
        else:
            try:
                await storage.write(probe)
            except StaywellError as error:
                problem = error.reason
        content = {
            "status": "ready" if problem is None else "unready",
            "problem": problem,
            "degraded": dict(degraded()),
        }
        return JSONResponse(content, status_code=200 if problem is None else 503)

    @router.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
