"""which votes came faster than their tasks can be read."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("votes", sa.Column("too_fast", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
