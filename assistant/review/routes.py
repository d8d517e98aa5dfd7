"""The supervisor's calls: figures, search, one transcript, verdicts, CSV. Supervisors and admins only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection

from assistant.escalation import view
from assistant.escalation.service import Desk, DeskDeps
from assistant.http import Clean
from assistant.identity import audit
from assistant.identity.agents import Agent
from assistant.identity.routes import AgentDeps, require_role
from assistant.review import keeping_routes, reports, search, spreadsheet, summary, transcripts
from assistant.review.search import Search
from assistant.review.tables import Period, Table, period_of
from assistant.review.transcripts import NewReview, Verdict
from assistant.wire import MAX_SEQ, Body, Uuid
from retrieval.documents import Reason

MOST_EXPORTED: Final = 10_000
EXPORT_PAGE: Final = 500
BREAK_MS: Final = 60_000  # not seen reading for so long: the next time is another reading
MOST_READINGS: Final = 1_000
COLUMNS: Final = (
    "id",
    "name",
    "verified",
    "locale",
    "created_at",
    "updated_at",
    "status",
    "band",
    "risk",
    "reasons",
    "turns",
    "agent",
    "csat",
    "disposition",
    "escalated",
    "action_last",
    "preview",
)

UlidPath = Annotated[str, Path(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
ReportName = Annotated[str, Path(pattern=r"^[a-z-]{1,40}$")]
Short = Annotated[str, Query(max_length=120), Clean]
When = Annotated[int | None, Query(ge=0, le=MAX_SEQ)]
Limit = Annotated[int, Query(ge=1, le=200)]


class Label(BaseModel):
    """What the supervisor knows better."""

    model_config = ConfigDict(extra="forbid", strict=True)

    will_leave: bool | None = None
    reasons: Annotated[list[Reason] | None, Field(max_length=8)] = None
    action: Annotated[str, StringConstraints(max_length=120), Clean] | None = None


class ReviewBody(BaseModel):
    """A verdict."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Annotated[str, StringConstraints(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")] | None = None
    verdict: Verdict
    label: Label | None = None
    comment: Annotated[str, StringConstraints(max_length=2000), Clean] | None = None


class NoteBody(BaseModel):
    """A word to the agent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    cmid: Uuid
    body: Annotated[Body, Clean]


def filters(
    q: Annotated[str, Query(max_length=search.LONGEST_QUERY), Clean] = "",
    band: Literal["", "low", "elevated", "high"] = "",
    reason: Short = "",
    status: Literal["", "open", "escalated", "resolved"] = "",
    action: Short = "",
    agent: Short = "",
    locale: Annotated[str, Query(max_length=16), Clean] = "",
    disposition: Short = "",
    contact: Short = "",
    escalated: bool | None = None,
    offer: Literal["", "accepted", "declined"] = "",
    outcome: Short = "",
    reviewed: bool | None = None,
    csat_max: Annotated[int | None, Query(ge=1, le=5)] = None,
    since: When = None,
    until: When = None,
    sort: search.Sort = "recent",
) -> Search:
    """The filters of the list and of its export, from the query string."""
    return Search(
        words=q,
        band=band or None,
        reason=reason or None,
        status=status or None,
        action=action or None,
        agent=agent or None,
        locale=locale or None,
        disposition=disposition or None,
        contact=contact or None,
        escalated=escalated,
        offer=offer or None,
        outcome=outcome or None,
        reviewed=reviewed,
        csat_max=csat_max,
        since=since,
        until=until,
        sort=sort,
    )


class Readings:
    """Who reads which transcript at the moment, so that a page that refreshes itself is one reading. Of one worker."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()

    def goes_on(self, who: str, conversation_id: str, now: int) -> bool:
        """Whether this person was seen reading it a moment ago."""
        return now - self._seen.get((who, conversation_id), -BREAK_MS) < BREAK_MS

    def note(self, who: str, conversation_id: str, now: int) -> None:
        """This person reads it now."""
        self._seen[who, conversation_id] = now
        self._seen.move_to_end((who, conversation_id))
        while len(self._seen) > MOST_READINGS:
            self._seen.popitem(last=False)


Filters = Annotated[Search, Depends(filters)]


def build_router(deps: DeskDeps) -> APIRouter:
    """`/api/review/…`."""
    router = APIRouter(prefix="/api/review", tags=["review"])
    desk = Desk(deps)
    readings = Readings()
    guard = require_role(AgentDeps(deps.storage, deps.bus, deps.clock, deps.settings), "supervisor", "admin")

    @router.get("/summary")
    async def figures(request: Request) -> dict[str, Any]:
        who = (await guard(request)).agent
        now = deps.clock()
        return await deps.storage.read(lambda connection: summary.summarise(connection, who.site_id, now=now))

    @router.get("/conversations")
    async def conversations(
        request: Request,
        chosen: Filters,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
        limit: Limit = 50,
    ) -> dict[str, Any]:
        who = (await guard(request)).agent
        page = await deps.storage.read(
            lambda connection: search.find(connection, who.site_id, chosen, cursor=cursor, limit=limit)
        )
        return {"conversations": page.conversations, "next": page.next, "total": page.total}

    @router.get("/conversations/{conv}")
    async def conversation(conv: UlidPath, request: Request, again: bool = False) -> dict[str, Any]:
        """`again`: looked at without a break since this person opened it, which is one reading in the audit trail."""
        who = (await guard(request)).agent
        now = deps.clock()
        content = await deps.storage.read(
            lambda connection: transcripts.transcript(
                connection, conv, site_id=who.site_id, now=now, render=deps.render
            )
        )
        if not (again and readings.goes_on(who.id, conv, now)):
            await deps.storage.write(lambda connection: audit.note_read(connection, who.sender, conv, now=now))
        readings.note(who.id, conv, now)
        return content | {"thresholds": deps.thresholds()}

    @router.post("/conversations/{conv}/reviews")
    async def add_review(conv: UlidPath, body: ReviewBody, request: Request) -> dict[str, str]:
        who = (await guard(request)).agent
        now = deps.clock()
        label = None if body.label is None else body.label.model_dump(exclude_none=True)
        new = NewReview(body.verdict, body.decision, label, body.comment)
        review_id = await deps.storage.write(
            lambda connection: transcripts.add_review(connection, who, conv, new, now=now)
        )
        return {"id": review_id}

    @router.get("/agents")
    async def agents(request: Request) -> dict[str, Any]:
        who = (await guard(request)).agent
        now = deps.clock()
        members = await deps.storage.read(lambda connection: view.team(connection, who.site_id, now=now))
        return {"agents": [member.model_dump() for member in members]}

    @router.post("/conversations/{conv}/notes")
    async def whisper(conv: UlidPath, body: NoteBody, request: Request) -> dict[str, Any]:
        """A word to the agent who holds the conversation; the contact never sees it."""
        who = (await guard(request)).agent
        said = await desk.write_note(who, conv, cmid=body.cmid, body=body.body)
        return {"id": said.id, "dup": said.dup}

    @router.post("/conversations/{conv}/takeover")
    async def barge_in(conv: UlidPath, request: Request) -> dict[str, Any]:
        """The conversation becomes the supervisor's own, whoever has it; it is then in the console, under "mine"."""
        who = (await guard(request)).agent
        moved = await desk.take_over(who, conv)
        return {"task": moved.task.id, "assign_epoch": moved.task.assign_epoch}

    @router.get("/reports/{name}")
    async def report(name: ReportName, request: Request, since: When = None, until: When = None) -> dict[str, Any]:
        who = (await guard(request)).agent
        period, table = await _report(deps, who, name, since, until)
        return {
            "name": name,
            "since": period.since,
            "until": period.until,
            "columns": [{"name": column, "unit": unit} for column, unit in table.columns],
            "rows": table.rows,
            "drill": table.drill,
        }

    @router.get("/reports/{name}/export.csv")
    async def report_csv(
        name: ReportName, request: Request, since: When = None, until: When = None
    ) -> StreamingResponse:
        who = (await guard(request)).agent
        _, table = await _report(deps, who, name, since, until)
        await _audit_export(deps, who, {"report": name, "rows": len(table.rows)})
        return _csv(name, spreadsheet.write([column for column, _ in table.columns], table.rows))

    @router.get("/audit")
    async def trail(request: Request, before: When = None, limit: Limit = 50) -> dict[str, Any]:
        """What the site's agents did, newest first. `intact`, on the first page: whether nobody has tampered with the trail."""
        who = (await guard(request)).agent

        def work(connection: Connection) -> dict[str, Any]:
            rows = audit.of_site(connection, who.site_id, before=before, limit=limit + 1)
            return {
                "entries": rows[:limit],
                "next": rows[limit - 1]["id"] if len(rows) > limit else None,
                "intact": audit.verify(connection) is None if before is None else None,
            }

        return await deps.storage.read(work)

    @router.get("/export.csv")
    async def export(request: Request, chosen: Filters) -> StreamingResponse:
        """The list as CSV, at most 10,000 lines."""
        who = (await guard(request)).agent

        def work(connection: Connection) -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = []
            cursor: str | None = None
            while len(rows) < MOST_EXPORTED:
                page = search.find(connection, who.site_id, chosen, cursor=cursor, limit=EXPORT_PAGE)
                rows += page.conversations
                cursor = page.next
                if cursor is None:
                    break
            return rows[:MOST_EXPORTED]

        rows = await deps.storage.read(work)
        await _audit_export(deps, who, {"conversations": len(rows)})
        return _csv("conversations", spreadsheet.write(COLUMNS, ([row[column] for column in COLUMNS] for row in rows)))

    whole = APIRouter()
    whole.include_router(router)
    whole.include_router(keeping_routes.build_router(deps))
    return whole


async def _report(deps: DeskDeps, who: Agent, name: str, since: int | None, until: int | None) -> tuple[Period, Table]:
    now = deps.clock()

    def work(connection: Connection) -> tuple[Period, Table]:
        period = period_of(connection, who.site_id, since=since, until=until, now=now)
        return period, reports.build(connection, who.site_id, name, period)

    return await deps.storage.read(work)


async def _audit_export(deps: DeskDeps, who: Agent, data: dict[str, Any]) -> None:
    now = deps.clock()
    await deps.storage.write(
        lambda connection: audit.record(connection, actor=who.sender, action="export", data=data, now=now)
    )


def _csv(name: str, lines: Iterator[str]) -> StreamingResponse:
    return StreamingResponse(
        lines,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
