"""Structured logs: one line an event, with ids, never with message bodies."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

FORBIDDEN = frozenset({"body", "text", "token", "password", "secret", "email", "name", "jwt", "ticket", "cookie"})
Level = Literal["debug", "info", "warning", "error"]


def keep_private(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drops the value of any field that could carry what a person wrote or a secret, whoever logged it."""
    for field in FORBIDDEN & line.keys():
        line[field] = "[withheld]"
    return line


def configure(level: Level, form: Literal["json", "console"]) -> None:
    """Sends structlog and the standard library's loggers to stderr in one form."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        keep_private,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=True)  # line breaks and control characters stay escaped
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)  # addresses with tokens never reach a log
    for name in ("httpx", "httpcore", "websockets", "jieba", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
