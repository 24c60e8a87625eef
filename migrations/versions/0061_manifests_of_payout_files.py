"""what is known of a run's files beside their hashes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0061"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("payout_files", sa.Column("n_parts", sa.Integer(), nullable=True))
    op.add_column("payout_files", sa.Column("sums", JSONB(), nullable=True))
    op.add_column("payout_files", sa.Column("as_of", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
