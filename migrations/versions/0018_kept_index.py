"""which tasks are kept, for the sweep that frees them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_tasks_kept", "tasks", ["kept_until"], postgresql_where=sa.text("kept_until IS NOT NULL"))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
