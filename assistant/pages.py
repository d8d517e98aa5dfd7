"""Our own pages and files: the widget's loader, the chat in its iframe, the console, the supervisor's desk. Each has its policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import FileResponse, Response

from assistant.errors import NotFound

STATIC: Final = Path(str(files("assistant") / "static"))
STRICT: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:{images}; font-src 'self'; "
    "connect-src 'self'{sockets}; media-src 'self'; base-uri 'none'; form-action 'none'; object-src 'none'; "
    "frame-ancestors {ancestors}; require-trusted-types-for 'script'; trusted-types 'none'"
)
SiteOrigins = Callable[[str], Awaitable[Sequence[str] | None]]


def policy(origins: frozenset[str], *, ancestors: Sequence[str] = (), images: Sequence[str] = ()) -> str:
    """The Content-Security-Policy of a page of ours. Sockets of our own origins are named, as older browsers want."""
    sockets = "".join(f" {origin.replace('http', 'ws', 1)}" for origin in sorted(origins))
    return STRICT.format(
        images="".join(f" {origin}" for origin in images),
        sockets=sockets,
        ancestors=" ".join(ancestors) or "'none'",
    )


def build_router(origins: frozenset[str], site_origins: SiteOrigins) -> APIRouter:
    """Pages under fixed names. `site_origins(key)`: the pages that may embed that site's chat, None for an unknown site."""
    router = APIRouter(include_in_schema=False)

    def page(name: str, csp: str) -> Response:
        path = STATIC / name
        if not path.is_file():
            raise NotFound(f"{name} is not part of this installation")
        return FileResponse(path, headers={"Content-Security-Policy": csp, "Cache-Control": "no-cache"})

    def for_any_page(name: str) -> Response:
        # A module script from another origin is fetched with CORS; it is public and carries nothing personal.
        headers = {
            "Access-Control-Allow-Origin": "*",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Cache-Control": "public, max-age=300",
            "Content-Security-Policy": "default-src 'none'",
        }
        return FileResponse(STATIC / name, media_type="text/javascript", headers=headers)

    @router.get("/widget.js")
    async def widget() -> Response:
        return for_any_page("widget.js")

    @router.get("/proactive.js")
    async def proactive() -> Response:
        """What `widget.js` fetches on pages that have rules for speaking first."""
        return for_any_page("proactive.js")

    @router.get("/chat")
    async def chat(site: str) -> Response:
        embedding = await site_origins(site)
        if embedding is None:
            raise NotFound("no such site")
        ancestors = sorted({*embedding, *origins})
        response = page("chat.html", policy(origins, ancestors=ancestors, images=embedding))
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    @router.get("/console")
    async def console() -> Response:
        return page("console.html", policy(origins))

    @router.get("/supervisor")
    async def supervisor() -> Response:
        return page("supervisor.html", policy(origins))

    @router.get("/favicon.ico")
    async def favicon() -> Response:
        return FileResponse(
            STATIC / "icon.svg", media_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"}
        )

    return router
