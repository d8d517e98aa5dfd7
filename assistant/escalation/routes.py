"""The console's socket and the reads that it makes over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, WebSocket
from sqlalchemy import Connection, select

from assistant.errors import Forbidden
from assistant.escalation import bundle
from assistant.escalation.service import Desk, DeskDeps
from assistant.escalation.socket import Console, Consoles
from assistant.identity import audit
from assistant.identity.routes import AgentDeps, require_role
from assistant.storage.tables import contact

UlidPath = Annotated[str, Path(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
UlidQuery = Annotated[str, Query(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]


def build_router(deps: DeskDeps, consoles: Consoles) -> APIRouter:
    """`/ws/desk`, `/api/desk/conversations/{conv}`, `/api/desk/history`. `consoles`: to be drained at shutdown."""
    router = APIRouter(tags=["desk"])
    desk = Desk(deps)
    guard = require_role(AgentDeps(deps.storage, deps.bus, deps.clock, deps.settings))

    @router.websocket("/ws/desk")
    async def console(socket: WebSocket) -> None:
        await Console(socket, deps, desk, consoles).run()

    @router.get("/api/desk/conversations/{conv}")
    async def conversation(conv: UlidPath, request: Request) -> dict[str, Any]:
        """The bundle. Reading a conversation that one does not hold is written down in the audit trail."""
        who = (await guard(request)).agent
        now = deps.clock()
        content = await deps.storage.read(
            lambda connection: bundle.build(connection, conv, site_id=who.site_id, now=now, render=deps.render)
        )
        if content["conversation"]["holder"] != who.sender:
            await deps.storage.write(lambda connection: audit.note_read(connection, who.sender, conv, now=now))
        return content | {"thresholds": deps.thresholds()}

    @router.get("/api/desk/history")
    async def history(contact: UlidQuery, request: Request) -> dict[str, Any]:
        who = (await guard(request)).agent

        def work(connection: Connection) -> dict[str, Any]:
            _must_be_ours(connection, contact, who.site_id)
            return {"conversations": bundle.earlier(connection, contact, site_id=who.site_id)}

        return await deps.storage.read(work)

    return router


def _must_be_ours(connection: Connection, contact_id: str, site_id: str) -> None:
    ours = select(contact.c.id).where(contact.c.id == contact_id, contact.c.site_id == site_id)
    if connection.execute(ours).first() is None:
        raise Forbidden("no such contact")
