"""All tables. SQLAlchemy Core only; migrations are generated from this metadata and tested to match it.

Conventions: ids are ULID text; times are UTC milliseconds since the epoch (`*_at`, `ts_*`); money is integer minor units;
JSON columns hold plain JSON. Log tables (`score`, `decision`, `outcome`, `review`, `scorecard`, `audit`) are append-only.
"""

from __future__ import annotations

from assistant.storage.tables.base import meta, metadata
from assistant.storage.tables.conversations import conversation, event, event_text, mention, note, turn_job, turn_vector
from assistant.storage.tables.desk import (
    agent,
    agent_session,
    audit,
    callback,
    presence,
    saved_view,
    socket_ticket,
    suggestion_use,
    task,
    task_event,
    widget_token,
)
from assistant.storage.tables.log import decision, exposure, outcome, review, score, scorecard, wallet_entry
from assistant.storage.tables.shop import article, contact, order_return, orders, product, script, site

__all__ = [
    "agent",
    "agent_session",
    "article",
    "audit",
    "callback",
    "contact",
    "conversation",
    "decision",
    "event",
    "event_text",
    "exposure",
    "mention",
    "meta",
    "metadata",
    "note",
    "order_return",
    "orders",
    "outcome",
    "presence",
    "product",
    "review",
    "saved_view",
    "score",
    "scorecard",
    "script",
    "site",
    "socket_ticket",
    "suggestion_use",
    "task",
    "task_event",
    "turn_job",
    "turn_vector",
    "wallet_entry",
    "widget_token",
]
