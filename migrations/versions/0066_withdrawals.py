"""tasks that ops took back from whoever held them."""

import sqlalchemy as sa
from alembic import op

revision = "0066"
down_revision = "0065"
branch_labels = None
depends_on = None

_REASONS = "('project_over', 'private_data', 'task_broken', 'worker_away', 'worker_stopped', 'other')"


def upgrade() -> None:
    op.create_table(
        "withdrawals",
        sa.Column("assignment_id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("taken_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(f"reason IN {_REASONS}", name=op.f("ck_withdrawals_reason_known")),
        sa.ForeignKeyConstraint(
            ["assignment_id", "project_id"],
            ["assignments.id", "assignments.project_id"],
            name=op.f("fk_withdrawals_assignment_id_project_id_assignments"),
        ),
        sa.PrimaryKeyConstraint("assignment_id", "project_id", name=op.f("pk_withdrawals")),
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
