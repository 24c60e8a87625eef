"""what requesters find when they look at settled tasks."""

import sqlalchemy as sa
from alembic import op

revision = "0077"
down_revision = "0076"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "audits",
        sa.Column("id", _ID, nullable=False),
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("requester_id", _ID, nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("label_before", sa.SmallInteger(), nullable=False),
        sa.Column("label_after", sa.SmallInteger(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audits")),
        sa.ForeignKeyConstraint(
            ["task_id", "project_id"], ["tasks.id", "tasks.project_id"], name=op.f("fk_audits_task_id_project_id_tasks")
        ),
        sa.CheckConstraint("verdict IN ('accepted', 'fixed', 'rework')", name=op.f("ck_audits_verdict_known")),
        sa.CheckConstraint("(verdict = 'fixed') = (label_after IS NOT NULL)", name=op.f("ck_audits_fixed_has_label")),
    )
    op.create_index("ix_audits_project_id_id", "audits", ["project_id", "id"])
    op.create_index("ix_audits_task_id_id", "audits", ["task_id", "id"])


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
