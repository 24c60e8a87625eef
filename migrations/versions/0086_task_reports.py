"""tasks that workers find broken."""

import sqlalchemy as sa
from alembic import op

revision = "0086"
down_revision = "0085"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_REASONS = "'not_shown', 'no_right_answer', 'contradicts_instruction', 'private_data', 'distressing', 'other'"


def upgrade() -> None:
    op.create_table(
        "task_reports",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("assignment_id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_reports")),
        sa.ForeignKeyConstraint(
            ["assignment_id", "project_id"], ["assignments.id", "assignments.project_id"],
            name=op.f("fk_task_reports_assignment_id_project_id_assignments"),
        ),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_task_reports_worker_id_workers")),
        sa.CheckConstraint(f"reason IN ({_REASONS})", name=op.f("ck_task_reports_reason_known")),
        sa.CheckConstraint("state IN ('open', 'upheld', 'dismissed')", name=op.f("ck_task_reports_state_known")),
        sa.CheckConstraint(
            "(state = 'open') = (decided_at IS NULL) AND num_nulls(decided_by, decided_at) IN (0, 2)",
            name=op.f("ck_task_reports_decided_by_somebody"),
        ),
    )  # fmt: skip
    op.create_index("ix_task_reports_project_id_id", "task_reports", ["project_id", "id"])
    op.create_index("ix_task_reports_worker_id_id", "task_reports", ["worker_id", "id"])
    op.create_index("ix_task_reports_open", "task_reports", ["task_id"], postgresql_where=sa.text("state = 'open'"))
    # Last, for nobody reads or writes these until the end.
    op.add_column(
        "projects", sa.Column("reports_to_park", sa.SmallInteger(), server_default=sa.text("2"), nullable=False)
    )
    op.create_check_constraint(op.f("ck_projects_reports_range"), "projects", "reports_to_park BETWEEN 1 AND 100")
    op.add_column("tasks", sa.Column("parked_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
