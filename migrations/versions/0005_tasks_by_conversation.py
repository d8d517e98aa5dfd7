"""Tasks are found by their conversation: a customer's history asks for them in every turn.

Revision: 0005
Follows: 0004
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_task_conversation_id"), "task", ["conversation_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_task_conversation_id"), table_name="task")
