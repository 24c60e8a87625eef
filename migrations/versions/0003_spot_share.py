"""the share of a project's tasks that is drawn for a spot check."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A default that is no expression needs no rewrite of the table.
    op.add_column("projects", sa.Column("spot_share", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(op.f("ck_projects_spot_share_range"), "projects", "spot_share BETWEEN 0 AND 1")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
