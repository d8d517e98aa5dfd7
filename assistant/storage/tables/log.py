"""The log: what was scored, decided, offered and judged, and what came of it."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from assistant.storage.tables.base import ID, MS, metadata

score = Table(
    "score",
    metadata,
    Column("id", ID, primary_key=True),
    Column("conversation_id", ID, ForeignKey("conversation.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("model_version", String(80), nullable=False),
    Column("churn", Float),  # null: unavailable, see `unavailable`
    Column("churn_raw", Float),
    Column("low", Float),
    Column("high", Float),
    Column("dissatisfaction", Float),
    Column("need_human", Float),
    Column("band", String(16)),
    Column("reasons", JSON, nullable=False, default=list),  # [{reason, probability}]
    Column("drivers", JSON, nullable=False, default=list),  # [{kind, code, value, effect, seq?}]
    Column("features", JSON, nullable=False, default=dict),  # served history features, as of `as_of`
    Column("as_of", MS, nullable=False),
    Column("versions", JSON, nullable=False, default=dict),
    Column("cold_start", Boolean, nullable=False, default=False),
    Column("unavailable", String(80)),
    Column("latency_ms", Float),
    Column("created_at", MS, nullable=False),
    UniqueConstraint("conversation_id", "seq", "model_version"),
    CheckConstraint("churn IS NULL OR (churn >= 0 AND churn <= 1)", name="churn_is_probability"),
)

decision = Table(
    "decision",
    metadata,
    Column("id", ID, primary_key=True),
    Column("schema_version", Integer, nullable=False, default=1),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("conversation_id", ID, ForeignKey("conversation.id"), nullable=False),
    Column("seq", Integer, nullable=False),  # the contact turn
    Column("customer_key", String(64), nullable=False),
    Column("ts_decision", MS, nullable=False),
    Column("channel", String(32), nullable=False),
    Column("locale", String(16), nullable=False),
    Column("consent", JSON, nullable=False, default=dict),
    Column("features", JSON, nullable=False, default=dict),  # the served feature vector
    Column("as_of", MS, nullable=False),
    Column(
        "versions", JSON, nullable=False, default=dict
    ),  # features, encoder, model, calibrator, policy, thresholds, index
    Column("score_raw", Float),
    Column("score", Float),
    Column("low", Float),
    Column("high", Float),
    Column("band", String(16)),
    Column("reasons", JSON, nullable=False, default=list),
    Column("shadow", JSON, nullable=False, default=list),  # [{version, score}]
    Column("eligible", JSON, nullable=False, default=list),  # action keys, in order
    Column("probabilities", JSON, nullable=False, default=list),  # one for each eligible action
    Column("values", JSON, nullable=False, default=list),  # expected value of each eligible action, in minor units
    Column("ineligible", JSON, nullable=False, default=list),  # [{action, why}]
    Column("action", String(120), nullable=False),  # 'reply:<script>', 'offer:<offer>', 'escalate', 'none', …
    Column("kind", String(16), nullable=False),  # reply, clarify, recommend, offer, escalate, none
    Column("propensity", Float, nullable=False),
    Column("explored", Boolean, nullable=False, default=False),
    Column("floor", Float, nullable=False),
    Column("seed", String(64), nullable=False),
    Column("holdout", Boolean, nullable=False, default=False),
    Column("salt_version", String(16), nullable=False, default="1"),
    Column("overrides", JSON, nullable=False, default=list),  # rule ids; propensity is 1 when forced
    Column("candidates", JSON, nullable=False, default=list),  # [{id, kind, rank, score, sources, why}]
    Column("cost", BigInteger, nullable=False, default=0),  # what the offer may cost, in minor units
    Column("reply_seq", Integer),
    Column("delivered_at", MS),
    Column("not_delivered", String(80)),
    Column("latency_ms", Float, nullable=False),
    Column("degraded", JSON, nullable=False, default=list),
    UniqueConstraint("conversation_id", "seq"),
    CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity_is_probability"),
    Index(None, "site_id", "ts_decision"),
    Index(None, "customer_key", "ts_decision"),
)

outcome = Table(
    "outcome",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("idempotency_key", String(120), nullable=False),
    Column("decision_id", ID),
    Column("customer_key", String(64)),
    Column("conversation_id", ID),
    Column("type", String(32), nullable=False),
    Column("value", Float),
    Column("currency", String(3)),
    Column("label", JSON, nullable=False, default=dict),  # for human labels: what, by whom, why
    Column("source", String(32), nullable=False),  # widget, agent, supervisor, shop, import
    Column("attribution_days", Integer),
    Column("ts_event", MS, nullable=False),
    Column("ts_ingested", MS, nullable=False),
    Column("matures_at", MS),
    Column("supersedes", ID),
    UniqueConstraint("site_id", "idempotency_key"),
    CheckConstraint("decision_id IS NOT NULL OR customer_key IS NOT NULL", name="about_someone"),
    Index(None, "customer_key", "ts_event"),
    Index(None, "decision_id"),
)

exposure = Table(
    "exposure",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("kind", String(32), nullable=False),  # campaign, price_change, outage
    Column("customer_key", String(64)),  # null: everybody
    Column("data", JSON, nullable=False, default=dict),
    Column("starts_at", MS, nullable=False),
    Column("ends_at", MS),
    Column("ts_ingested", MS, nullable=False),
)

wallet_entry = Table(
    "wallet_entry",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("contact_id", ID, ForeignKey("contact.id"), nullable=False),
    Column("decision_id", ID, nullable=False),
    Column("offer_id", String(100), nullable=False),
    Column("state", String(16), nullable=False),  # shown, accepted, declined, expired: each a row of its own
    Column("amount", BigInteger, nullable=False),
    Column("at", MS, nullable=False),
    UniqueConstraint("decision_id", "offer_id", "state"),
    Index(None, "site_id", "contact_id", "at"),
)

review = Table(
    "review",
    metadata,
    Column("id", ID, primary_key=True),
    Column("conversation_id", ID, ForeignKey("conversation.id"), nullable=False),
    Column("decision_id", ID),
    Column("agent_id", ID, ForeignKey("agent.id"), nullable=False),
    Column("verdict", String(32), nullable=False),  # right, too_late, not_needed, wrong_action, wrong_reason
    Column("label", JSON, nullable=False, default=dict),  # {will_leave?, reasons?, action?}
    Column("comment", Text),
    Column("at", MS, nullable=False),
    Index(None, "conversation_id"),
)

scorecard = Table(
    "scorecard",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("conversation_id", ID, ForeignKey("conversation.id"), nullable=False),
    Column("reviewer_id", ID, ForeignKey("agent.id"), nullable=False),
    Column("agent_id", ID, ForeignKey("agent.id")),  # whose work it is about; null: the assistant's alone
    Column("marks", JSON, nullable=False, default=list),  # [{criterion, points, most}]: as the criteria were then
    Column("share", Float, nullable=False),  # points of all that could be had, 0..1
    Column("comment", Text),
    Column("at", MS, nullable=False),
    CheckConstraint("share >= 0 AND share <= 1", name="share_is_share"),
    Index(None, "conversation_id"),
    Index(None, "site_id", "at"),
)
