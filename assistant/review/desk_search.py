"""The console's search: any conversation of the agent's shop, by words of it or by whose it is."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request

from assistant.escalation.service import DeskDeps
from assistant.http import Clean
from assistant.identity.routes import AgentDeps, require_role
from assistant.review import search
from assistant.review.search import Search

MOST: Final = 30
_SHOWN: Final = ("id", "name", "status", "band", "risk", "created_at", "agent", "preview", "match")


def build_router(deps: DeskDeps) -> APIRouter:
    """`/api/desk/search`."""
    router = APIRouter(tags=["desk"])
    guard = require_role(AgentDeps(deps.storage, deps.bus, deps.clock, deps.settings))

    @router.get("/api/desk/search")
    async def conversations(
        request: Request, q: Annotated[str, Query(min_length=1, max_length=search.LONGEST_QUERY), Clean]
    ) -> dict[str, Any]:
        """The latest conversations in which all words were found, at most 30; reading one is written down when it is opened."""
        who = (await guard(request)).agent
        page = await deps.storage.read(
            lambda connection: search.find(connection, who.site_id, Search(words=q), cursor=None, limit=MOST)
        )
        return {"conversations": [{name: line[name] for name in _SHOWN} for line in page.conversations]}

    return router
