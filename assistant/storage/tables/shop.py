"""The shop: its site, customers, orders, products, scripts and help articles."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, ForeignKey, Index, String, Table, UniqueConstraint

from assistant.storage.tables.base import ID, MS, metadata

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
    Column("identity_secret_before", String(200)),  # the one before is good too while the shop changes over
    Column("api_key_hash", String(64)),  # for the shop's server: outcomes, orders
    Column("api_key_hash_before", String(64)),
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
    # When we were told of it, if that was later than the order itself: what was known at a moment before is read without it.
    Column("delivered_known_at", MS),
    Column("cancelled_known_at", MS),
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
