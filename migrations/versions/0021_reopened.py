"""what becomes of settled tasks that a refit would decide otherwise."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("when_revised", sa.Text(), server_default=sa.text("'report'"), nullable=False))
    op.create_check_constraint(
        op.f("ck_projects_when_revised_known"), "projects", "when_revised IN ('report', 'reopen')"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
