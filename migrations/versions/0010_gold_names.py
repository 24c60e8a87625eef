"""by which id a worker knows a gold."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("assignments", sa.Column("shown_as", sa.Text(collation="C"), nullable=True))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
