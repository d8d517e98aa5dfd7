"""The supervisor's model page: what serves and what could, and the moves. Supervisors and admins only.

Models serve every shop of an installation. So where there are several shops, only an admin moves them (docs/decisions/0029).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection, func, select

from assistant.errors import Conflict, Forbidden, Unavailable
from assistant.http import clean_text
from assistant.identity import audit
from assistant.identity.agents import Agent
from assistant.identity.routes import AgentDeps, require_role
from assistant.loop import view
from assistant.models import Models, adopted, registry_of
from assistant.storage.tables import site
from assistant.turns.inference import Inference
from assistant.turns.ports import Unavailable as NoModel
from risk.errors import ArtefactRefused

LONGEST_REASON: Final = 500

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3, max_length=LONGEST_REASON),
    AfterValidator(clean_text),
]


class MoveBody(BaseModel):
    """A move, and why. `champion`: whom its maker saw serving."""

    model_config = ConfigDict(extra="forbid", strict=True)

    what: view.What
    champion: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    version: Annotated[str, StringConstraints(min_length=1, max_length=120)] | None = None
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    reason: Reason


@dataclass(frozen=True, slots=True)
class ModelDeps:
    """What the page needs of the server that it stands in."""

    agents: AgentDeps
    models: Models
    inference: Inference


def build_router(deps: ModelDeps) -> APIRouter:
    """`/api/review/models`, `/api/review/models/moves`."""
    router = APIRouter(prefix="/api/review/models", tags=["review"])
    guard = require_role(deps.agents, "supervisor", "admin")
    settings, storage = deps.agents.settings, deps.agents.storage
    moving = threading.Lock()

    async def may_move(who: Agent) -> bool:
        if who.role == "admin":
            return True
        count = await storage.read(
            lambda connection: connection.execute(select(func.count()).select_from(site)).scalar_one()
        )
        return int(count) == 1

    @router.get("")
    async def models(request: Request) -> dict[str, Any]:
        who = (await guard(request)).agent
        try:
            found = await asyncio.to_thread(view.describe, registry_of(settings))
        except ArtefactRefused as error:
            raise Unavailable(str(error), code="model_refused") from error
        return {
            **found,
            "may_move": found["movable"] and await may_move(who),
            "refused": deps.models.refused,
            "serving": _serving(deps.inference),
        }

    @router.post("/moves")
    async def move(body: MoveBody, request: Request) -> dict[str, Any]:
        """Moves the pointer; this server follows at once, others within seconds."""
        who = (await guard(request)).agent
        if not await may_move(who):
            raise Forbidden("models serve several shops here: only an admin may move them", code="role")

        def work() -> Mapping[str, Any]:
            try:
                with moving:
                    folder = adopted(settings)
                    names = view.move(
                        folder,
                        body.what,
                        champion=body.champion,
                        version=body.version,
                        share=body.share,
                        reason=body.reason,
                        by=who.name,
                    )
            except ArtefactRefused as error:
                raise Conflict(str(error), code="model_refused") from error
            except OSError as error:
                raise Unavailable(f"the registry cannot be written: {error.strerror}", code="registry") from error
            return {
                "champion": names.champion,
                "challenger": names.challenger,
                "share": names.share,
                "before": names.before,
            }

        moved = await asyncio.to_thread(work)
        now = deps.agents.clock()
        data = {"from": body.champion, "share": body.share, "reason": body.reason}
        await storage.write(partial(_note, who=who, body=body, moved=moved, data=data, now=now))
        await asyncio.to_thread(deps.models.refresh, deps.inference)
        return {**moved, "serving": _serving(deps.inference)}

    return router


def _note(
    connection: Connection, *, who: Agent, body: MoveBody, moved: Mapping[str, Any], data: Mapping[str, Any], now: int
) -> None:
    about = body.version or str(moved["champion"])
    audit.record(connection, actor=who.sender, action=f"model_{body.what}", object=about, data=data, now=now)


def _serving(inference: Inference) -> list[dict[str, Any]]:
    """The models of this server with how they did in their last turns."""
    served = inference.served
    if isinstance(served.champion, NoModel):
        return []
    versions = [served.champion.version, *([] if served.challenger is None else [served.challenger.version])]
    found = []
    for version in versions:
        health = inference.health(version)
        found.append({"version": version, "turns": health.turns, "failed": health.failed, "p95_ms": health.p95_ms})
    return found
