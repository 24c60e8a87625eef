"""how long reading a task of a project takes at the least."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("read_seconds", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.create_check_constraint(op.f("ck_projects_read_range"), "projects", "read_seconds BETWEEN 0 AND 3600")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
