"""One error tree. Each error has a stable `code`, says whether a retry may help, and maps to one HTTP status and one close code.

StaywellError
├── BadInput            the caller sent something malformed             422 / nack
│   ├── BadFrame        a frame that is not one of ours                 nack bad_frame, third → 4400
│   └── BadRow          a row of an imported file, with its line
├── NotAllowed          token missing, expired, wrong                   401 / 4401
├── Forbidden           not yours, or absent: the same answer           403 / 4403
├── NotFound            an object that the caller may know is missing   404
├── Conflict            a business conflict: expected, never a 500      409
├── RateLimited         too much, too fast                              429 / 4429
├── Unavailable         storage, model or index cannot answer now       503 / 1013
└── BadArtefact         a model or index file that must not be loaded   503
"""

from __future__ import annotations

from typing import ClassVar


class StaywellError(Exception):
    """Base of all expected errors. `code` is part of the public contract, the message is for people."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    close_code: ClassVar[int] = 1011
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", *, code: str | None = None, after_ms: int | None = None) -> None:
        super().__init__(message or self.code)
        self.reason = code or self.code
        self.after_ms = after_ms


class BadInput(StaywellError):
    code, status, close_code = "bad_input", 422, 4400


class BadFrame(BadInput):
    """`cmid` is the frame's, if it could be read, so that the answer can name it."""

    code = "bad_frame"

    def __init__(self, message: str = "", *, code: str | None = None, cmid: str | None = None) -> None:
        super().__init__(message, code=code)
        self.cmid = cmid


class BadRow(BadInput):
    """A row of an imported file. `line` counts from 1 and includes the header."""

    code = "bad_row"

    def __init__(self, message: str, *, line: int) -> None:
        super().__init__(message)
        self.line = line


class NotAllowed(StaywellError):
    code, status, close_code = "not_allowed", 401, 4401


class Forbidden(StaywellError):
    code, status, close_code = "forbidden", 403, 4403


class NotFound(StaywellError):
    code, status, close_code = "not_found", 404, 4403


class Conflict(StaywellError):
    code, status, close_code = "conflict", 409, 4409


class RateLimited(StaywellError):
    code, status, close_code, retryable = "rate", 429, 4429, True


class Unavailable(StaywellError):
    code, status, close_code, retryable = "unavailable", 503, 1013, True


class BadArtefact(StaywellError):
    code, status, close_code = "bad_artefact", 503, 1013
