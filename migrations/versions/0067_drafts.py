"""drafts of answers, and why tasks were given back."""

import sqlalchemy as sa
from alembic import op

revision = "0067"
down_revision = "0066"
branch_labels = None
depends_on = None

_REASONS = "('too_hard', 'unclear', 'broken', 'distressing', 'no_time', 'other')"


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("assignment_id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("payload", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["assignment_id", "project_id"],
            ["assignments.id", "assignments.project_id"],
            name=op.f("fk_drafts_assignment_id_project_id_assignments"),
        ),
        sa.PrimaryKeyConstraint("assignment_id", "project_id", name=op.f("pk_drafts")),
    )
    op.create_table(
        "releases",
        sa.Column("assignment_id", sa.Text(collation="C"), nullable=False),
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(f"reason IN {_REASONS}", name=op.f("ck_releases_reason_known")),
        sa.ForeignKeyConstraint(
            ["assignment_id", "project_id"],
            ["assignments.id", "assignments.project_id"],
            name=op.f("fk_releases_assignment_id_project_id_assignments"),
        ),
        sa.PrimaryKeyConstraint("assignment_id", "project_id", name=op.f("pk_releases")),
    )
    op.create_index(op.f("ix_releases_project_id_reason"), "releases", ["project_id", "reason"], unique=False)


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
