"""Full-text index, scorecards, saved views

Revision: 0003
Follows: 0002
"""

from __future__ import annotations

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHUNK = 1_000

SQLITE = (
    # The text stands in event_text; for words alone neither positions nor lengths are needed.
    """CREATE VIRTUAL TABLE event_fts USING fts5(
        text, content = 'event_text', content_rowid = 'id', tokenize = 'trigram case_sensitive 1', detail = 'none', columnsize = 0
    )""",
    "CREATE VIRTUAL TABLE event_gram USING fts5vocab('event_fts', 'instance')",
    """CREATE TRIGGER event_text_added AFTER INSERT ON event_text BEGIN
        INSERT INTO event_fts(rowid, text) VALUES (new.id, new.text);
    END""",
    """CREATE TRIGGER event_text_gone AFTER DELETE ON event_text BEGIN
        INSERT INTO event_fts(event_fts, rowid, text) VALUES ('delete', old.id, old.text);
    END""",
)

POSTGRESQL = (
    """CREATE FUNCTION staywell_grams(given text) RETURNS tsvector LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT array_to_tsvector(coalesce(array_agg(DISTINCT gram), '{}')) FROM (
            SELECT letter || lead(letter, 1) OVER w || lead(letter, 2) OVER w AS gram
            FROM unnest(string_to_array(given, NULL)) WITH ORDINALITY AS letters(letter, at) WINDOW w AS (ORDER BY at)
        ) AS grams WHERE gram IS NOT NULL
    $$""",
    "CREATE INDEX ix_event_text_grams ON event_text USING gin (staywell_grams(text))",
)


def upgrade() -> None:
    op.create_table(
        "event_text",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id", "seq"],
            ["event.conversation_id", "event.seq"],
            name="fk_event_text_event",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event_text")),
        sa.UniqueConstraint("conversation_id", "seq", name=op.f("uq_event_text_conversation_id_seq")),
    )
    op.create_table(
        "saved_view",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("site_id", sa.String(length=26), nullable=False),
        sa.Column("agent_id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_saved_view_site_id_site")),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_saved_view_agent_id_agent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_view")),
        sa.UniqueConstraint("agent_id", "name", name=op.f("uq_saved_view_agent_id_name")),
    )
    op.create_index(op.f("ix_saved_view_site_id"), "saved_view", ["site_id"], unique=False)
    op.create_table(
        "scorecard",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("site_id", sa.String(length=26), nullable=False),
        sa.Column("conversation_id", sa.String(length=26), nullable=False),
        sa.Column("reviewer_id", sa.String(length=26), nullable=False),
        sa.Column("agent_id", sa.String(length=26), nullable=True),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("share >= 0 AND share <= 1", name=op.f("ck_scorecard_share_is_share")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_scorecard_site_id_site")),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversation.id"], name=op.f("fk_scorecard_conversation_id_conversation")
        ),
        sa.ForeignKeyConstraint(["reviewer_id"], ["agent.id"], name=op.f("fk_scorecard_reviewer_id_agent")),
        sa.ForeignKeyConstraint(["agent_id"], ["agent.id"], name=op.f("fk_scorecard_agent_id_agent")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scorecard")),
    )
    op.create_index(op.f("ix_scorecard_conversation_id"), "scorecard", ["conversation_id"], unique=False)
    op.create_index(op.f("ix_scorecard_site_id_at"), "scorecard", ["site_id", "at"], unique=False)
    bind = op.get_bind()
    for statement in SQLITE if bind.dialect.name == "sqlite" else POSTGRESQL:
        op.execute(sa.text(statement.replace(":", "\\:")))
    _fill(bind)


def downgrade() -> None:
    op.drop_table("scorecard")
    op.drop_table("saved_view")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE event_gram")
        op.execute("DROP TABLE event_fts")
    op.drop_table("event_text")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION staywell_grams(text)")


def _fill(bind: sa.Connection) -> None:
    """Indexes what was said so far, as `assistant.storage.fulltext` does from now on."""
    event = sa.table("event", *(sa.column(name) for name in ("id", "conversation_id", "seq", "body")))
    kept = sa.table("event_text", *(sa.column(name) for name in ("conversation_id", "seq", "text")))
    last = ""
    while True:
        query = sa.select(event).where(event.c.body.is_not(None), event.c.id > last).order_by(event.c.id).limit(CHUNK)
        rows = bind.execute(query).all()
        if not rows:
            return
        last = rows[-1].id
        folded = [(row, " ".join(unicodedata.normalize("NFKC", row.body).casefold().split())) for row in rows]
        found = [
            {"conversation_id": row.conversation_id, "seq": row.seq, "text": f"{text}  "}
            for row, text in folded
            if text
        ]
        if found:
            bind.execute(sa.insert(kept), found)
