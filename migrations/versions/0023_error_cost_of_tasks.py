"""what a wrong label of one task costs, where it is not what its project says."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tasks", sa.Column("error_cost", sa.Numeric(20, 6)))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
