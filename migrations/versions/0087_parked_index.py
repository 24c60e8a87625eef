"""an index of parked tasks, apart: tasks are read once for it, while others read them too."""

import sqlalchemy as sa
from alembic import op

revision = "0087"
down_revision = "0086"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No row has it yet, so this reads the table once and writes nothing.
    op.create_index("ix_tasks_parked", "tasks", ["parked_at"], postgresql_where=sa.text("parked_at IS NOT NULL"))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
