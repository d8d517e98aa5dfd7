"""What supervisors keep: saved views of the list, scorecards, and the criteria that these are made of."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from assistant.escalation.service import DeskDeps
from assistant.http import Clean
from assistant.identity.routes import AgentDeps, require_role
from assistant.review import saved_views, scorecards
from assistant.review.scorecards import LONGEST_TITLE, MOST_CRITERIA, MOST_POINTS, Criterion, NewCard

LONGEST_FILTER: Final = 200

UlidPath = Annotated[str, Path(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Ulid = Annotated[str, StringConstraints(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
ViewName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), Clean]
Filters = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,20}$")],
        Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_FILTER), Clean],
    ],
    Field(max_length=20),
]
CriterionId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]
Title = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_TITLE), Clean]
Comment = Annotated[str, StringConstraints(max_length=2000), Clean]


class Strict(BaseModel):
    """Nothing beside what is named."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ViewBody(Strict):
    """A view to keep."""

    name: ViewName
    filters: Filters
    shared: bool = False


class ViewChanges(Strict):
    """What is to change of a view."""

    name: ViewName | None = None
    filters: Filters | None = None
    shared: bool | None = None


class Titles(Strict):
    """A criterion's title in either language."""

    en: Title = ""
    zh: Title = ""


class CriterionBody(Strict):
    """What is judged, for 0 to `most` points."""

    id: CriterionId
    title: Titles
    most: Annotated[int, Field(ge=1, le=MOST_POINTS)]


class CriteriaBody(Strict):
    """The shop's criteria; none: the default ones."""

    criteria: Annotated[list[CriterionBody], Field(max_length=MOST_CRITERIA)]


class CardBody(Strict):
    """A scorecard."""

    points: Annotated[
        dict[CriterionId, Annotated[int, Field(ge=0, le=MOST_POINTS)] | None], Field(max_length=MOST_CRITERIA)
    ]
    comment: Comment | None = None
    agent: Ulid | None = None


def build_router(deps: DeskDeps) -> APIRouter:
    """`/api/review/views…`, `/api/review/scorecard`, `/api/review/conversations/{conv}/scorecards`."""
    router = APIRouter(prefix="/api/review", tags=["review"])
    guard = require_role(AgentDeps(deps.storage, deps.bus, deps.clock, deps.settings), "supervisor", "admin")

    @router.get("/views")
    async def views(request: Request) -> dict[str, Any]:
        who = (await guard(request)).agent
        return {"views": await deps.storage.read(lambda connection: saved_views.views_of(connection, who))}

    @router.post("/views")
    async def save_view(body: ViewBody, request: Request) -> dict[str, str]:
        who = (await guard(request)).agent
        now = deps.clock()
        view_id = await deps.storage.write(
            lambda connection: saved_views.save(
                connection, who, name=body.name, filters=body.filters, shared=body.shared, now=now
            )
        )
        return {"id": view_id}

    @router.post("/views/{view}")
    async def change_view(view: UlidPath, body: ViewChanges, request: Request) -> dict[str, str]:
        who = (await guard(request)).agent
        now = deps.clock()
        values = body.model_dump(exclude_none=True)
        await deps.storage.write(lambda connection: saved_views.change(connection, who, view, now=now, **values))
        return {"id": view}

    @router.delete("/views/{view}")
    async def remove_view(view: UlidPath, request: Request) -> dict[str, str]:
        who = (await guard(request)).agent
        await deps.storage.write(lambda connection: saved_views.remove(connection, who, view))
        return {"id": view}

    @router.get("/scorecard")
    async def criteria(request: Request) -> dict[str, Any]:
        who = (await guard(request)).agent
        known = await deps.storage.read(lambda connection: scorecards.criteria_of(connection, who.site_id))
        return {"criteria": [one.as_json() for one in known], "own": known != scorecards.DEFAULT}

    @router.post("/scorecard")
    async def set_criteria(body: CriteriaBody, request: Request) -> dict[str, Any]:
        """Sets the shop's criteria. Cards that were given keep theirs."""
        who = (await guard(request)).agent
        now = deps.clock()
        chosen = [Criterion(one.id, one.title.model_dump(), one.most) for one in body.criteria]
        await deps.storage.write(lambda connection: scorecards.set_criteria(connection, who, chosen, now=now))
        return {"criteria": [one.as_json() for one in chosen or scorecards.DEFAULT], "own": bool(chosen)}

    @router.post("/conversations/{conv}/scorecards")
    async def add_card(conv: UlidPath, body: CardBody, request: Request) -> dict[str, Any]:
        who = (await guard(request)).agent
        now = deps.clock()
        new = NewCard(body.points, body.comment, body.agent)
        card_id, share = await deps.storage.write(
            lambda connection: scorecards.add(connection, who, conv, new, now=now)
        )
        return {"id": card_id, "share": share}

    return router
