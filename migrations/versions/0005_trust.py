"""how far a project's votes are believed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project_fits", sa.Column("discount", sa.Double(), server_default=sa.text("0.3"), nullable=False))
    op.add_column("project_fits", sa.Column("counted", sa.Double(), server_default=sa.text("0.2"), nullable=False))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
