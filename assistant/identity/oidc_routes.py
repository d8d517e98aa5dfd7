"""The agents' log-in at an identity provider: away to it, back from it, and what the log-in page has to offer."""

from __future__ import annotations

from typing import Any, Final

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection

from assistant.errors import NotAllowed, NotFound, RateLimited, StaywellError
from assistant.identity import audit, oidc, sessions
from assistant.identity.address import remote_address
from assistant.identity.agents import Agent
from assistant.identity.keys import derive
from assistant.identity.oidc import OidcClient
from assistant.identity.routes import LOGINS_PER_10S, LOGINS_PER_MINUTE, AgentDeps, set_cookie
from assistant.identity.sessions import Session
from assistant.limits import Allowances

PAGES: Final = ("/console", "/supervisor")  # where a log-in may lead
log = structlog.get_logger()


def build_router(deps: AgentDeps, secret: bytes, client: OidcClient | None = None) -> APIRouter:
    """`/api/login-methods`, `/api/oidc/start`, `/api/oidc/callback`. `secret`: the installation's, to seal flows with."""
    router = APIRouter(tags=["agents"])
    settings = deps.settings
    if client is None and settings.oidc_issuer is not None:
        client = OidcClient(settings)
    key = derive(secret, "oidc flow")
    cookie = f"{deps.cookie}-flow"
    attempts = Allowances(LOGINS_PER_10S, LOGINS_PER_MINUTE)

    @router.get("/api/login-methods")
    async def methods() -> dict[str, Any]:
        """How one may log in."""
        provider = None if client is None else {"name": settings.oidc_name, "url": "/api/oidc/start"}
        return {"password": settings.password_login, "oidc": provider}

    def provider() -> OidcClient:
        if client is None:
            raise NotFound("no identity provider is set up")
        return client

    def count(request: Request) -> None:
        """Raises RateLimited for an address that tries too often."""
        address = remote_address(request)
        wait_ms = 0 if address is None else attempts.of(address, deps.clock()).take(deps.clock())
        if wait_ms:
            raise RateLimited("too many log-ins from this address", after_ms=wait_ms)

    @router.get("/api/oidc/start", response_class=RedirectResponse, status_code=303)
    async def start(request: Request, to: str = PAGES[0]) -> Response:
        """Sends the browser to the provider; `to`: the page to come back to."""
        if to not in PAGES:
            raise NotFound("no such page")
        speaker = provider()
        try:
            count(request)
            url, flow = await speaker.begin(_own_origin(settings.origins, request) + "/api/oidc/callback", to)
        except StaywellError as error:
            return _back(to, error)
        response = RedirectResponse(url, status_code=303)
        # Lax: the cookie has to come along when the provider's page leads back here.
        response.set_cookie(
            cookie,
            oidc.seal_flow(flow, key, now=deps.clock()),
            max_age=oidc.FLOW_S,
            path="/",
            secure=settings.cookies_secure,
            httponly=True,
            samesite="lax",
        )
        return response

    @router.get("/api/oidc/callback", response_class=RedirectResponse, status_code=303)
    async def callback(request: Request) -> Response:
        """Where the provider sends the browser back to. Ends on a page of ours, logged in or with `?login=<why not>`."""
        speaker, now, to = provider(), deps.clock(), PAGES[0]
        try:
            count(request)
            flow = oidc.open_flow(request.cookies.get(cookie, ""), key, now=now)
            to = flow.to if flow.to in PAGES else to
            person = await speaker.finish(flow, request.query_params, now=now)
            token, _ = await deps.storage.write(lambda connection: _admitted(connection, person, deps, now))
        except StaywellError as error:
            if isinstance(error, NotAllowed):
                why = error.reason
                await deps.storage.write(lambda connection: _write_down(connection, why, now))
            response = _back(to, error)
        else:
            response = RedirectResponse(to, status_code=303)
            set_cookie(deps, response, token)
        response.delete_cookie(cookie, path="/", secure=settings.cookies_secure, httponly=True, samesite="lax")
        return response

    return router


def _admitted(connection: Connection, person: oidc.Person, deps: AgentDeps, now: int) -> tuple[str, Session]:
    who: Agent = oidc.admit(connection, person, groups=deps.settings.oidc_groups, now=now)
    audit.record(connection, actor=who.sender, action="login", data={"by": "oidc"}, now=now)
    return sessions.start(connection, who, now=now, life_ms=deps.life_ms)


def _write_down(connection: Connection, why: str, now: int) -> None:
    audit.record(connection, actor="unknown", action="login_refused", data={"by": "oidc", "why": why}, now=now)


def _back(to: str, error: StaywellError) -> Response:
    log.warning("oidc_refused", reason=error.reason, why=str(error))
    return RedirectResponse(f"{to}?login={error.reason}", status_code=303)


def _own_origin(origins: frozenset[str], request: Request) -> str:
    """The origin that the browser knows us by: the one of ours that has the request's host, else the first. Never just what the
    request says."""
    host = request.headers.get("host", "").lower()
    listed = sorted(origins)
    return next((origin for origin in listed if origin.partition("://")[2].lower() == host), listed[0])
