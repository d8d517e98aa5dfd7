"""All tables. SQLAlchemy Core only; migrations are generated from this metadata and tested to match it.

Conventions: ids are ULID text; times are UTC milliseconds since the epoch (`*_at`, `ts_*`); money is integer minor units;
JSON columns hold plain JSON. Log tables (`score`, `decision`, `outcome`, `review`, `scorecard`, `audit`) are append-only.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(26)
MS = BigInteger

meta = Table("meta", metadata, Column("key", String(64), primary_key=True), Column("value", Text, nullable=False))

# --- shop -----------------------------------------------------------------------------------------------------------

site = Table(
    "site",
    metadata,
    Column("id", ID, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),  # public: names the site in the widget's script tag
    Column("name", String(200), nullable=False),
    Column("locale", String(16), nullable=False, default="en"),
    Column("currency", String(3), nullable=False, default="EUR"),
    Column("origins", JSON, nullable=False, default=list),  # pages that may embed the widget
    Column("identity_secret", String(200)),  # verifies the shop's signed identity tokens (HS256)
    Column("api_key_hash", String(64)),  # for the shop's server: outcomes, orders
    Column("anonymous_allowed", Boolean, nullable=False, default=True),
    Column("holdout_rate", Float, nullable=False, default=0.05),
    Column("holdout_salt", String(64), nullable=False),
    Column("settings", JSON, nullable=False, default=dict),
    Column("created_at", MS, nullable=False),
)

contact = Table(
    "contact",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("external_id", String(200)),  # the shop's own customer number; null for a guest
    Column("customer_key", String(64), nullable=False),  # keyed hash; the only customer id in the outcome log
    Column("name", String(200)),
    Column("email", String(320)),
    Column("locale", String(16)),
    Column("region", String(16)),
    Column("verified", Boolean, nullable=False, default=False),
    Column("attributes", JSON, nullable=False, default=dict),
    Column("first_seen_at", MS, nullable=False),
    UniqueConstraint("site_id", "external_id"),
    Index(None, "site_id", "customer_key"),
)

orders = Table(
    "orders",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("order_no", String(100), nullable=False),
    Column("external_customer_id", String(200), nullable=False),
    Column("status", String(32), nullable=False),  # placed, shipped, delivered, cancelled
    Column("total", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("coupon", String(64)),
    Column("promised_at", MS),
    Column("delivered_at", MS),
    Column("lines", JSON, nullable=False, default=list),  # [{product_id, title, quantity, unit_price}]
    Column("ts_event", MS, nullable=False),
    Column("ts_ingested", MS, nullable=False),
    UniqueConstraint("site_id", "order_no"),
    Index(None, "site_id", "external_customer_id", "ts_event"),
)

order_return = Table(
    "order_return",
    metadata,
    Column("id", ID, primary_key=True),
    Column("site_id", ID, ForeignKey("site.id"), nullable=False),
    Column("return_no", String(100), nullable=False),
    Column("order_no", String(100), nullable=False),
    Column("external_customer_id", String(200), nullable=False),
    Column("product_id", String(100)),
    Column("reason", String(32)),
    Column("amount", BigInteger, nullable=False),
    Column("ts_event", MS, nullable=False),
    Column("ts_ingested", MS, nullable=False),
    UniqueConstraint("site_id", "return_no"),
    Index(None, "site_id", "external_customer_id", "ts_event"),
)

product = Table(
    "product",
    metadata,
    Column("site_id", ID, ForeignKey("site.id"), primary_key=True),
    Column("id", String(100), primary_key=True),
    Column("locale", String(16), primary_key=True),
    Column("document", JSON, nullable=False),  # retrieval.documents.Product
    Column("content_hash", String(64), nullable=False),
    Column("updated_at", MS, nullable=False),
)

script = Table(
    "script",
    metadata,
    Column("site_id", ID, ForeignKey("site.id"), primary_key=True),
    Column("id", String(100), primary_key=True),
    Column("locale", String(16), primary_key=True),
    Column("document", JSON, nullable=False),  # retrieval.documents.Script
    Column("content_hash", String(64), nullable=False),
    Column("updated_at", MS, nullable=False),
)

article = Table(
    "article",
    metadata,
    Column("site_id", ID, ForeignKey("site.id"), primary_key=True),
    Column("id", String(100), primary_key=True),
    Column("locale", String(16), primary_key=True),
    Column("document", JSON, nullable=False),  # retrieval.documents.Article
    Column("content_hash", String(64), nullable=False),
    Column("updated_at", MS, nullable=False),
)

# --- conversations --------------------------------------------------------------------------------------------------

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

# --- the log --------------------------------------------------------------------------------------------------------

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

# --- people of the shop ---------------------------------------------------------------------------------------------

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
