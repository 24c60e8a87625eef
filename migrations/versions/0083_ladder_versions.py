"""how far a new version of a ladder has decided about everybody whom it moves."""

import sqlalchemy as sa
from alembic import op

revision = "0083"
down_revision = "0082"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ladder_rules", sa.Column("looked_through", sa.Text(collation="C"), nullable=True))
    op.add_column("ladder_rules", sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
    # A handful of rows; whoever they move has been moved.
    op.execute("UPDATE ladder_rules SET looked_at = now() WHERE confirmed_at IS NOT NULL")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
