"""how often a settled task has been opened again; each time has a reserve of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("reopened", sa.SmallInteger(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
