"""how long answers to a project take."""

import sqlalchemy as sa
from alembic import op

revision = "0064"
down_revision = "0063"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "project_paces",
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("seconds", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("median_seconds", sa.Integer(), nullable=False),
        sa.Column("p95_seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "0 < median_seconds AND median_seconds <= p95_seconds", name=op.f("ck_project_paces_in_order")
        ),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name=op.f("fk_project_paces_project_id_projects")),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_paces")),
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
