"""/healthz, /readyz and /metrics: does the process live, can it take messages, and how is it doing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from sqlalchemy import Connection, delete, insert

from assistant.errors import StaywellError
from assistant.storage.engine import Storage
from assistant.storage.tables import meta

PROBE = "ready_probe"


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
            connection.execute(delete(meta).where(meta.c.key == PROBE))
            connection.execute(insert(meta).values(key=PROBE, value=str(clock())))

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
