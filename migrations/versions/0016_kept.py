"""whether a project's target is asked of each label or of their mean, and for how long answers are kept for whom."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("projects", sa.Column("target_basis", sa.Text(), server_default=sa.text("'each'"), nullable=False))
    op.add_column("projects", sa.Column("error_settled", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.add_column("projects", sa.Column("keep_seconds", sa.Integer(), server_default=sa.text("600"), nullable=False))
    op.create_check_constraint(op.f("ck_projects_target_basis_known"), "projects", "target_basis IN ('each', 'mean')")
    op.create_check_constraint(op.f("ck_projects_keep_range"), "projects", "keep_seconds BETWEEN 0 AND 86400")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
