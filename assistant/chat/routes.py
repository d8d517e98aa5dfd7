"""The contact's way in: the WebSocket at /ws/chat and the widget's HTTP calls. The contract stands in docs/http.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Header, Query, Request, WebSocket
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from assistant.chat import nudges
from assistant.chat.actions import ContactActions
from assistant.chat.connection import Connection, monotonic_ms
from assistant.chat.live import Live
from assistant.chat.service import ChatDeps, ChatService
from assistant.errors import Forbidden, NotAllowed, RateLimited, Unavailable
from assistant.escalation.callbacks import Wish
from assistant.http import clean_text
from assistant.identity.address import remote_address
from assistant.identity.sites import normalise_origin
from assistant.identity.widget import Access
from assistant.wire import Close, Ev, Ulid

_BEARER = "bearer "
_EMAIL = r"^[^@\s]{1,64}@[^@\s]{1,255}$"
_PHONE = r"^\+?(?:[ ()./-]{0,3}[0-9]){5,20}[ ()./-]{0,3}$"


Text = Annotated[str, AfterValidator(clean_text)]
Authorization = Annotated[str, Header(max_length=600)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SessionBody(_Body):
    """Who comes: a site key, and an identity token of the shop or a guest's resume secret."""

    site: Annotated[Text, StringConstraints(min_length=1, max_length=64)]
    identity: Annotated[Text, StringConstraints(max_length=4096)] | None = None
    resume: Annotated[Text, StringConstraints(max_length=100)] | None = None
    locale: (
        Annotated[str, StringConstraints(max_length=16, pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,2}$")] | None
    ) = None


class CsatBody(_Body):
    """A rating."""

    conv: Ulid
    score: Annotated[int, Field(ge=1, le=5)]
    comment: Annotated[Text, StringConstraints(max_length=1000)] | None = None


class OfferBody(_Body):
    """The answer to an offer that was shown."""

    conv: Ulid
    decision: Ulid
    offer: Annotated[Text, StringConstraints(min_length=1, max_length=100)]
    accepted: bool


class DetailsBody(_Body):
    """What a guest says of themselves before the first message."""

    name: Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None
    email: Annotated[Text, StringConstraints(pattern=_EMAIL)] | None = None


class CallbackBody(_Body):
    """Where and when the contact wants to be called back, and that this may be kept."""

    conv: Ulid
    email: Annotated[Text, StringConstraints(strip_whitespace=True, max_length=320, pattern=_EMAIL)] | None = None
    phone: Annotated[Text, StringConstraints(strip_whitespace=True, max_length=40, pattern=_PHONE)] | None = None
    suits: Annotated[Text, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None
    timezone: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+/-]{1,64}$")] | None = None
    consent: Literal[True]

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.email is None and self.phone is None:
            raise ValueError("an e-mail address or a phone number is needed")
        return self


class ResolveBody(_Body):
    """The contact ends the conversation."""

    conv: Ulid


class ClickBody(_Body):
    """A product card was opened, or put into the cart."""

    conv: Ulid
    product: Annotated[Text, StringConstraints(min_length=1, max_length=100)]
    decision: Ulid | None = None


def build_router(deps: ChatDeps, live: Live) -> APIRouter:
    """The routes of the chat. `live` is drained by whoever stops the server: `await live.drain()`."""
    router = APIRouter()
    service = ChatService(deps)
    actions = ContactActions(deps)

    async def known_origin(origin: str | None) -> bool:
        """Whether a page of ours or of some site's may speak to us. Exact: no suffixes, no `null`."""
        if origin is None:
            return False
        asked = normalise_origin(origin)
        return asked in deps.settings.origins or asked in await deps.sites.origins()

    async def access(authorization: str) -> Access:
        if not authorization.lower().startswith(_BEARER):
            raise NotAllowed("the token was not accepted", code="token")
        return await service.access(authorization[len(_BEARER) :].strip())

    # Starlette's own route: FastAPI's would keep its machinery for dependencies alive as long as the connection.
    @router.websocket_route("/ws/chat")
    async def chat(socket: WebSocket) -> None:
        try:
            allowed = await known_origin(socket.headers.get("origin"))
        except Unavailable:
            await socket.accept()
            await socket.close(Close.OVERLOAD, "storage")
            return
        if not allowed:
            await socket.close()  # before accept: the handshake is answered with HTTP 403
            return
        await socket.accept()
        if live.draining or live.crowded:
            code, reason = (Close.DEPLOY, "going away") if live.draining else (Close.OVERLOAD, "overload")
            await socket.close(code, reason)
            return
        await Connection(socket, service, live).run()

    @router.post("/api/widget/session")
    async def session(
        request: Request, body: SessionBody, origin: Annotated[str | None, Header()] = None
    ) -> dict[str, Any]:
        if origin is not None and not await known_origin(origin):
            raise Forbidden("this origin may not connect", code="origin")
        wait_ms = _wait_ms(live, request)
        if wait_ms:
            raise RateLimited("too many sessions from this address", after_ms=wait_ms)
        site = await deps.sites.by_key(body.site)
        opened, current = await service.open_session(site, body.identity, body.resume, body.locale)
        who = opened.contact
        answer: dict[str, Any] = {
            "token": opened.token,
            "expires_at": opened.expires_at,
            "resume": opened.resume,
            "contact": {"name": who["name"], "verified": who["verified"]},
            "site": {"name": site.name, "locale": site.locale, "currency": site.currency},
        }
        if current is not None:
            answer["conv"] = {name: current[name] for name in ("id", "epoch", "head", "status")}
        return answer

    @router.post("/api/widget/nudge")
    async def nudge(request: Request, origin: Annotated[str | None, Header()] = None) -> JSONResponse:
        """Called by the shop's page itself, not from our frame: answered to pages of the site's alone."""
        body = nudges.read_body(await request.body())
        site = await deps.sites.by_key(body.site)
        ours = site.origins | frozenset(deps.settings.origins)
        if origin is not None and normalise_origin(origin) not in ours:
            raise Forbidden("this origin may not ask", code="origin")
        wait_ms = _wait_ms(live, request)
        if wait_ms:
            raise RateLimited("too many questions from this address", after_ms=wait_ms)
        headers = {"Vary": "Origin"} | ({"Access-Control-Allow-Origin": origin} if origin is not None else {})
        return JSONResponse(await nudges.speak_first(deps, site, body), headers=headers)

    @router.get("/api/widget/history")
    async def history(
        conv: Ulid,
        authorization: Authorization = "",
        before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> dict[str, Any]:
        who = await access(authorization)
        epoch, events, more = await service.history(who, conv, before=before, limit=limit)
        return {"conv": conv, "epoch": epoch, "events": [encode_ev(event) for event in events], "more": more}

    @router.post("/api/widget/details")
    async def details(body: DetailsBody, authorization: Authorization = "") -> dict[str, Any]:
        await actions.introduce(await access(authorization), name=body.name, email=body.email)
        return {}

    @router.post("/api/widget/csat")
    async def csat(body: CsatBody, authorization: Authorization = "") -> dict[str, int]:
        who = await access(authorization)
        return {"seq": await actions.rate(who, body.conv, score=body.score, comment=body.comment)}

    @router.post("/api/widget/offer")
    async def offer(body: OfferBody, authorization: Authorization = "") -> dict[str, int]:
        who = await access(authorization)
        answered = actions.answer_offer(
            who, body.conv, decision=body.decision, offer=body.offer, accepted=body.accepted
        )
        return {"seq": await answered}

    @router.post("/api/widget/callback")
    async def callback(body: CallbackBody, authorization: Authorization = "") -> dict[str, int]:
        who = await access(authorization)
        wish = Wish(email=body.email, phone=body.phone, suits=body.suits, timezone=body.timezone)
        return {"seq": await actions.ask_callback(who, body.conv, wish)}

    @router.post("/api/widget/resolve")
    async def resolve(body: ResolveBody, authorization: Authorization = "") -> dict[str, int]:
        return {"seq": await actions.resolve(await access(authorization), body.conv)}

    @router.post("/api/widget/click")
    async def click(body: ClickBody, authorization: Authorization = "") -> dict[str, Any]:
        await actions.click(await access(authorization), body.conv, product=body.product, decision=body.decision)
        return {}

    return router


def _wait_ms(live: Live, request: Request) -> int:
    """How long this address must wait before it may open another session; 0: not at all."""
    address = remote_address(request)
    if address is None:
        return 0
    return live.sessions.of(address, monotonic_ms()).take(monotonic_ms())


def encode_ev(event: Ev) -> dict[str, Any]:
    """An event in an HTTP answer: the same JSON as on the wire."""
    return event.model_dump(mode="json", by_alias=True, exclude_none=True)
