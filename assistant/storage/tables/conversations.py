"""Conversations: events in order, their texts for search, notes, and the turns that answer them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from assistant.storage.tables.base import ID, MS, metadata

conversation = Table(
    "conversation",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("contact_id", ID, ForeignKey("contact.id"), nullable=False),
    Column("epoch", String(26), nullable=False),  # changes on restore or erase
    Column("status", String(16), nullable=False, default="open"),  # open, escalated, resolved
    Column("holder", String(64), nullable=False, default="bot"),  # who may speak: 'bot' or 'agent:<id>'
    Column("assign_epoch", Integer, nullable=False, default=0),
    Column("head", Integer, nullable=False, default=0),  # last seq
    Column("seen_seq", Integer, nullable=False, default=0),  # last seq that the contact has seen
    Column("channel", String(32), nullable=False, default="web"),
    Column("locale", String(16), nullable=False, default="en"),
    Column("risk", Float),  # last churn score, for lists; the truth is in `score`
    Column("band", String(16)),
    Column("reasons", JSON, nullable=False, default=list),
    Column("csat", Integer),
    Column("created_at", MS, nullable=False),
    Column("updated_at", MS, nullable=False),
    Column("resolved_at", MS),
    Index(None, "site_id", "updated_at"),
    Index(None, "contact_id", "created_at"),
)

event = Table(
    "event",
    metadata,
    Column("conversation_id", ID, ForeignKey("conversation.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("id", ID, nullable=False, unique=True),
    Column("sender", String(64), nullable=False),  # 'contact', 'bot', 'agent:<id>', 'system'
    Column(
        "kind", String(32), nullable=False
    ),  # message, script, products, offer, escalated, joined, returned, resolved …
    Column("cmid", String(36)),
    Column("reply_to", Integer),  # the contact turn that this answers
    Column("body", Text),
    Column("data", JSON, nullable=False, default=dict),
    Column("at", MS, nullable=False),
    UniqueConstraint("conversation_id", "sender", "cmid"),
    Index(
        "uq_event_bot_reply",
        "conversation_id",
        "reply_to",
        unique=True,
        sqlite_where=text("reply_to IS NOT NULL AND sender = 'bot'"),
        postgresql_where=text("reply_to IS NOT NULL AND sender = 'bot'"),
    ),
)

# What search looks through, folded by `assistant.storage.fulltext`, which also says what each database keeps beside it. It goes
# when its event goes; so a migration that copies the table `event` on SQLite has to fill this one again.
event_text = Table(
    "event_text",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("conversation_id", ID, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("text", Text, nullable=False),
    ForeignKeyConstraint(
        ["conversation_id", "seq"],
        ["event.conversation_id", "event.seq"],
        name="fk_event_text_event",
        ondelete="CASCADE",
    ),
    UniqueConstraint("conversation_id", "seq"),
)

note = Table(
    "note",
    metadata,
    Column("id", ID, primary_key=True),
    Column("conversation_id", ID, ForeignKey("conversation.id"), nullable=False),
    Column("agent_id", ID, ForeignKey("agent.id"), nullable=False),
    Column("cmid", String(36), nullable=False),
    Column("body", Text, nullable=False),
    Column("after_seq", Integer, nullable=False),  # where it stands in the transcript
    Column("at", MS, nullable=False),
    UniqueConstraint("conversation_id", "agent_id", "cmid"),
)

mention = Table(
    "mention",
    metadata,
    Column("note_id", ID, ForeignKey("note.id"), primary_key=True),
    Column("agent_id", ID, ForeignKey("agent.id"), primary_key=True),  # whom the note speaks to
    Column("conversation_id", ID, ForeignKey("conversation.id"), nullable=False),
    Column("at", MS, nullable=False),
    Column("read_at", MS),
    Index(None, "agent_id", "at"),
    Index(None, "conversation_id"),
)

turn_vector = Table(
    "turn_vector",
    metadata,
    Column("conversation_id", ID, ForeignKey("conversation.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("fingerprint", String(64), nullable=False),  # the encoder's
    Column("vector", LargeBinary, nullable=False),  # float32, little endian
)

turn_job = Table(
    "turn_job",
    metadata,
    Column("conversation_id", ID, ForeignKey("conversation.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False, default="pending"),  # pending, leased, done
    Column("attempts", Integer, nullable=False, default=0),
    Column("owner", String(64)),
    Column("lease_until", MS),
    Column("not_before", MS, nullable=False),
    Column("last_error", String(200)),
    Column("created_at", MS, nullable=False),
    Column("done_at", MS),
    Index("ix_turn_job_open", "state", "not_before"),
)
