"""projects may ask for passed exams."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0088"
down_revision = "0087"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "projects",
        sa.Column(
            "required_exams", postgresql.ARRAY(sa.Text(collation="C")), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.create_check_constraint(
        op.f("ck_projects_required_exams_range"), "projects", "cardinality(required_exams) <= 10"
    )
    op.create_index("ix_projects_that_require", "projects", ["id"], postgresql_where=sa.text("required_exams <> '{}'"))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
