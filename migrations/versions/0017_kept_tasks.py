"""for whom a widened task is kept, and until when."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("kept_for", postgresql.ARRAY(sa.Text(collation="C"))))
    op.add_column("tasks", sa.Column("kept_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
