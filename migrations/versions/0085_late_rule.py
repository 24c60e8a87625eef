"""what becomes of answers that come too late."""

import sqlalchemy as sa
from alembic import op

revision = "0085"
down_revision = "0084"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("late_rule", sa.Text(), server_default=sa.text("'refuse'"), nullable=False))
    op.create_check_constraint(op.f("ck_projects_late_rule_known"), "projects", "late_rule IN ('refuse', 'paid')")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
