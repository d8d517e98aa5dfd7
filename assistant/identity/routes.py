"""Log-in, log-out and socket tickets of agents, and the guard that every agents' route goes through."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from assistant.bus.hints import Bus
from assistant.errors import Forbidden, NotAllowed, RateLimited
from assistant.http import Clean
from assistant.identity import audit, sessions
from assistant.identity.address import remote_address
from assistant.identity.agents import LogIn, Role
from assistant.identity.sessions import Session
from assistant.limits import Allowances
from assistant.settings import Settings
from assistant.storage.engine import Storage

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LOGINS_PER_10S: Final = 10  # of an address, whatever the log-ins: many passwords for one log-in lock that by themselves
LOGINS_PER_MINUTE: Final = 30
HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class AgentDeps:
    """What the routes of agents need. `clock` gives UTC ms."""

    storage: Storage
    bus: Bus
    clock: Callable[[], int]
    settings: Settings

    @property
    def cookie(self) -> str:
        """The session cookie's name."""
        return "__Host-staywell" if self.settings.cookies_secure else "staywell"

    @property
    def life_ms(self) -> int:
        """How long a log-in lasts."""
        return self.settings.session_hours * HOUR_MS


class LogInBody(BaseModel):
    """A log-in."""

    model_config = ConfigDict(extra="forbid", strict=True)

    login: Annotated[str, StringConstraints(min_length=1, max_length=120), Clean]
    password: Annotated[str, StringConstraints(min_length=1, max_length=1000)]


async def current_session(deps: AgentDeps, request: Request) -> Session:
    """The session of a request. Raises NotAllowed without one, Forbidden for an unsafe method without its CSRF token or from a
    page that is not ours."""
    token = request.cookies.get(deps.cookie)
    if not token:
        raise NotAllowed("please log in")
    now, token_hash = deps.clock(), sessions.hash_token(token)
    session = await deps.storage.read(lambda connection: sessions.find(connection, token_hash, now=now))
    if request.method not in SAFE_METHODS:
        check_origin(deps.settings, request)
        if not hmac.compare_digest(request.headers.get("x-csrf", "").encode(), session.csrf.encode()):
            raise Forbidden("the request lacks its X-CSRF token", code="csrf")
    return session


def check_origin(settings: Settings, request: Request) -> None:
    """Raises Forbidden for a browser request that another site's page makes."""
    origin = request.headers.get("origin")
    if origin is not None and origin.rstrip("/") not in settings.origins:
        raise Forbidden("this page may not call here", code="origin")


def require_role(deps: AgentDeps, *roles: Role) -> Callable[[Request], Awaitable[Session]]:
    """A FastAPI dependency: the session of an agent with one of `roles` (none named: any). Raises Forbidden(`role`)."""

    async def guard(request: Request) -> Session:
        session = await current_session(deps, request)
        if roles and session.agent.role not in roles:
            raise Forbidden("your role may not do this", code="role")
        return session

    return guard


def set_cookie(deps: AgentDeps, response: Response, token: str) -> None:
    """Gives the browser a session's cookie: out of reach of scripts, of other sites, and over https bound to this host."""
    response.set_cookie(
        deps.cookie,
        token,
        max_age=deps.life_ms // 1000,
        path="/",
        secure=deps.settings.cookies_secure,
        httponly=True,
        samesite="strict",
    )


def describe(session: Session) -> dict[str, Any]:
    """A log-in as the pages see it."""
    who = session.agent
    return {
        "agent": {
            "id": who.id,
            "name": who.name,
            "role": who.role,
            "site": who.site_id,
            "languages": list(who.languages),
            "capacity": who.capacity,
        },
        "csrf": session.csrf,
    }


def build_router(deps: AgentDeps) -> APIRouter:
    """`/api/login`, `/api/logout`, `/api/me`, `/api/desk/ticket`."""
    router = APIRouter(tags=["agents"])
    log_in = LogIn(deps.storage, deps.clock)
    attempts = Allowances(LOGINS_PER_10S, LOGINS_PER_MINUTE)

    @router.post("/api/login")
    async def login(body: LogInBody, request: Request, response: Response) -> dict[str, Any]:
        check_origin(deps.settings, request)
        if not deps.settings.password_login:
            raise Forbidden("log in with your company's account", code="password_login_off")
        address = remote_address(request)
        wait_ms = 0 if address is None else attempts.of(address, deps.clock()).take(deps.clock())
        if wait_ms:
            raise RateLimited("too many log-ins from this address", after_ms=wait_ms)
        who = await log_in.check(body.login, body.password)
        now = deps.clock()
        token, session = await deps.storage.write(
            lambda connection: sessions.start(connection, who, now=now, life_ms=deps.life_ms)
        )
        set_cookie(deps, response, token)
        response.headers["Cache-Control"] = "no-store"
        return describe(session)

    @router.post("/api/logout")
    async def logout(request: Request, response: Response) -> dict[str, Any]:
        session = await current_session(deps, request)
        now = deps.clock()

        def work(connection: Any) -> None:
            sessions.end(connection, session.token_hash)
            audit.record(connection, actor=session.agent.sender, action="logout", now=now)

        await deps.storage.write(work)
        deps.bus.publish(f"agent:{session.agent.id}")
        response.delete_cookie(
            deps.cookie, path="/", secure=deps.settings.cookies_secure, httponly=True, samesite="strict"
        )
        return {}

    @router.get("/api/me")
    async def me(request: Request, response: Response) -> dict[str, Any]:
        response.headers["Cache-Control"] = "no-store"
        return describe(await current_session(deps, request))

    @router.post("/api/desk/ticket")
    async def ticket(request: Request, response: Response) -> dict[str, str]:
        session = await current_session(deps, request)
        now = deps.clock()
        issued = await deps.storage.write(lambda connection: sessions.issue_ticket(connection, session, now=now))
        response.headers["Cache-Control"] = "no-store"
        return {"ticket": issued}

    return router
