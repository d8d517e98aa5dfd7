"""What every HTTP answer has in common: one shape for errors, security headers, a bound on request bodies."""

from __future__ import annotations

from typing import Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AfterValidator
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.errors import StaywellError

MAX_BODY_BYTES: Final = 1024 * 1024
log = structlog.get_logger()

HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
HTTPS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def clean_text(text: str) -> str:
    """Text that every database takes. Raises ValueError for U+0000 and for what is not Unicode text."""
    if "\0" in text:
        raise ValueError("U+0000 is not allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("not Unicode text") from None
    return text


Clean: Final = AfterValidator(clean_text)  # of every text that comes over HTTP and goes into a statement


def answer(error: StaywellError) -> JSONResponse:
    """The error as JSON: `{code, message, retryable}` with its status, and Retry-After where one is known."""
    headers = {"Retry-After": str(-(-error.after_ms // 1000))} if error.after_ms else None
    content = {"code": error.reason, "message": str(error), "retryable": error.retryable}
    return JSONResponse(content, status_code=error.status, headers=headers)


def security_headers(secure: bool) -> list[tuple[bytes, bytes]]:
    """What every answer carries, unless it says something else itself. `secure`: we are reached over https."""
    always = [*HEADERS, (b"content-security-policy", API_POLICY), (b"cache-control", b"no-store")]
    return [*always, HTTPS_ONLY] if secure else always


def install_error_handlers(app: FastAPI, *, secure: bool = False) -> None:
    """Our errors, bad payloads, unknown paths and bugs all answer in the same shape; a traceback goes to the log only."""

    async def expected(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, StaywellError)  # noqa: S101 - registered for this class
        return answer(error)

    async def malformed(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        content = {"code": "bad_input", "message": f"{where}: {first['msg']}", "retryable": False}
        return JSONResponse(content, status_code=422)

    async def http_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
        codes = {401: "not_allowed", 403: "forbidden", 404: "not_found", 405: "method", 413: "too_big"}
        content = {"code": codes.get(error.status_code, "error"), "message": str(error.detail), "retryable": False}
        return JSONResponse(content, status_code=error.status_code, headers=error.headers)

    async def bug(request: Request, error: Exception) -> JSONResponse:
        log.error("bug", path=request.url.path, exc_info=error)
        content = {"code": "bug", "message": "something went wrong on our side", "retryable": True}
        # Starlette answers a bug outside of all middleware, ours with the headers too.
        headers = {name.decode(): value.decode() for name, value in security_headers(secure)}
        return JSONResponse(content, status_code=500, headers=headers)

    app.add_exception_handler(StaywellError, expected)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, bug)


class SecurityHeaders:
    """Adds our headers to every HTTP answer; a page that set its own Content-Security-Policy keeps it."""

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self._app = app
        self._headers = security_headers(secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[tuple[bytes, bytes]] = list(message.get("headers", []))
                present = {name.lower() for name, _ in headers}
                headers += [pair for pair in self._headers if pair[0] not in present]
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, with_headers)


class BodyLimit:
    """Refuses request bodies above `limit` bytes with 413, by their declared length or as they arrive."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._limit:
            await self._refuse(scope, receive, send)
            return
        taken = 0
        started = False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._limit:
                raise _TooBig()
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooBig:
            if not started:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        content = {"code": "too_big", "message": f"at most {self._limit} bytes", "retryable": False}
        await JSONResponse(content, status_code=413)(scope, receive, send)


class _TooBig(HTTPException):
    """A body grew past the limit; an HTTPException, since frameworks turn anything else raised while reading into a 400."""

    def __init__(self) -> None:
        super().__init__(413, "the body is too big")
