"""values: what answers say that are no classes, and projects of other types than categorization."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0079"
down_revision = "0078"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "task_values",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", "label", name=op.f("pk_task_values")),
        sa.UniqueConstraint("project_id", "task_id", "digest", name=op.f("uq_task_values_project_id_task_id_digest")),
    )
    op.create_table(
        "like_values",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("known", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", "label", "known", name=op.f("pk_like_values")),
    )
    # Last, for nobody reads or writes these until the end.
    op.add_column("project_skills", sa.Column("kind", _ID, nullable=True))
    op.add_column("project_skills", sa.Column("tolerance", sa.Double(), nullable=True))
    op.create_check_constraint(op.f("ck_project_skills_tolerance_positive"), "project_skills", "tolerance > 0")
    op.add_column("projects", sa.Column("form", JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.drop_constraint(op.f("ck_projects_labels_range"), "projects", type_="check")
    op.create_check_constraint(op.f("ck_projects_labels_range"), "projects", "cardinality(labels) <= 100")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
