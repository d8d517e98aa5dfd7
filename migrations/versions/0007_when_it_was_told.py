"""An order keeps when its delivery or its cancellation was told, so that what was known at a moment can be read again.

Revision: 0007
Follows: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("delivered_known_at", sa.BigInteger(), nullable=True))
    op.add_column("orders", sa.Column("cancelled_known_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("orders", "cancelled_known_at")
    op.drop_column("orders", "delivered_known_at")
