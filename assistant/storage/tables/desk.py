"""People of the shop: who they are, who is logged in, what they are asked to do, what they keep, and what they did."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from assistant.storage.tables.base import ID, MS, metadata

agent = Table(
    "agent",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("login", String(120), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("role", String(16), nullable=False),  # agent, supervisor, admin
    Column("languages", JSON, nullable=False, default=list),
    Column("skills", JSON, nullable=False, default=list),
    Column("capacity", Integer, nullable=False, default=4),
    Column("disabled", Boolean, nullable=False, default=False),
    Column("failed_logins", Integer, nullable=False, default=0),
    Column("locked_until", MS),
    Column("created_at", MS, nullable=False),
)

agent_session = Table(
    "agent_session",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("agent_id", ID, ForeignKey("agent.id"), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("created_at", MS, nullable=False),
    Column("expires_at", MS, nullable=False),
)

socket_ticket = Table(
    "socket_ticket",
    metadata,
    Column("ticket_hash", String(64), primary_key=True),
    Column("session_hash", String(64), ForeignKey("agent_session.token_hash", ondelete="CASCADE"), nullable=False),
    Column("expires_at", MS, nullable=False),
)

widget_token = Table(
    "widget_token",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("contact_id", ID, ForeignKey("contact.id"), nullable=False),
    Column("resume_hash", String(64)),  # lets a guest's browser renew its token, and nothing else
    Column("verified", Boolean, nullable=False, default=False),
    Column("expires_at", MS, nullable=False),
    Column("created_at", MS, nullable=False),
    Index(None, "resume_hash"),
)

presence = Table(
    "presence",
    metadata,
    Column("agent_id", ID, ForeignKey("agent.id"), primary_key=True),
    Column("state", String(16), nullable=False),  # available, away, offline
    Column("heartbeat_at", MS, nullable=False),
    Column("lease_until", MS, nullable=False),
)

task = Table(
    "task",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("conversation_id", ID, ForeignKey("conversation.id"), nullable=False),
    Column("state", String(16), nullable=False),  # queued, offered, assigned, wrap_up, done
    Column("version", Integer, nullable=False, default=1),  # compare-and-set
    Column("reason", String(64), nullable=False),  # asked_for_human, high_risk, need_human, legal, loop, agent …
    Column("value_at_stake", BigInteger, nullable=False, default=0),
    Column("priority", Float, nullable=False, default=0.0),
    Column("language", String(16), nullable=False, default="en"),
    Column("skills", JSON, nullable=False, default=list),
    Column("queued_at", MS, nullable=False),  # the original time; kept over every re-queue
    Column("offer_id", ID),
    Column("offered_to", ID),
    Column("deadline", MS),
    Column("declined_by", JSON, nullable=False, default=list),
    Column("agent_id", ID),
    Column("assign_epoch", Integer, nullable=False, default=0),
    Column("assigned_at", MS),
    Column("first_reply_at", MS),
    Column("told_waiting_at", MS),
    Column("wanted_agent", ID),  # a colleague named by a transfer: nobody else is asked until `wanted_until`
    Column("wanted_until", MS),
    Column("snoozed_until", MS),  # the holder set it aside until then, or until the contact writes
    Column("disposition", String(32)),
    Column("comment", Text),
    Column("created_at", MS, nullable=False),
    Column("done_at", MS),
    Index(
        "uq_task_live",
        "conversation_id",
        unique=True,
        sqlite_where=text("state != 'done'"),
        postgresql_where=text("state != 'done'"),
    ),
    Index(None, "site_id", "state"),
    Index(None, "conversation_id"),
)

task_event = Table(
    "task_event",
    metadata,
    Column("id", ID, primary_key=True),
    Column("task_id", ID, ForeignKey("task.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("transition", String(32), nullable=False),
    Column("actor", String(64), nullable=False),
    Column("data", JSON, nullable=False, default=dict),
    Column("at", MS, nullable=False),
    UniqueConstraint("task_id", "version"),
)

callback = Table(
    "callback",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("conversation_id", ID, ForeignKey("conversation.id"), nullable=False),
    Column("state", String(16), nullable=False, default="open"),  # open, done, not_reached
    Column("email", String(320)),
    Column("phone", String(40)),
    Column("suits", String(200)),  # when it suits, in the contact's words
    Column("timezone", String(64)),  # of the contact's browser
    Column("consent_at", MS, nullable=False),  # when the contact agreed to this being kept
    Column("attempts", Integer, nullable=False, default=0),  # tried, and not reached
    Column("tried_at", MS),
    Column("agent_id", ID),  # who took it, or who tried last
    Column("taken_until", MS),  # others leave it alone until then
    Column("created_at", MS, nullable=False),
    Column("done_at", MS),
    Index(
        "uq_callback_open",
        "conversation_id",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index(None, "site_id", "state"),
    Index(None, "conversation_id"),
)

suggestion_use = Table(
    "suggestion_use",
    metadata,
    Column("id", ID, primary_key=True),
    Column("conversation_id", ID, ForeignKey("conversation.id"), nullable=False),
    Column("seq", Integer, nullable=False),  # the agent's message
    Column("agent_id", ID, ForeignKey("agent.id"), nullable=False),
    Column("document_id", String(100), nullable=False),
    Column("use", String(16), nullable=False),  # accepted, edited, ignored
    Column("at", MS, nullable=False),
)

saved_view = Table(
    "saved_view",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("agent_id", ID, ForeignKey("agent.id"), nullable=False),  # whose it is
    Column("name", String(80), nullable=False),
    Column("filters", JSON, nullable=False, default=dict),  # as in the address of the list
    Column("shared", Boolean, nullable=False, default=False),  # with the site's other supervisors
    Column("created_at", MS, nullable=False),
    Column("updated_at", MS, nullable=False),
    UniqueConstraint("agent_id", "name"),
    Index(None, "site_id"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", MS, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("object", String(120)),
    Column("data", JSON, nullable=False, default=dict),
    Column("previous", String(64), nullable=False),  # hash chain
    Column("hash", String(64), nullable=False),
)
