"""Identity secret and API key of a shop change without a gap: the one before stays good beside the new one until it is retired.

Revision: 0006
Follows: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("site", sa.Column("identity_secret_before", sa.String(length=200), nullable=True))
    op.add_column("site", sa.Column("api_key_hash_before", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_column("site", "api_key_hash_before")
    op.drop_column("site", "identity_secret_before")
