"""which skill each project asks for, and the way from a voter to what is known of them."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "project_skills",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("skill", _ID, nullable=False),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_project_skills")),
    )
    op.execute("INSERT INTO project_skills (project_id, skill) SELECT id, skill FROM projects")
    op.create_index(op.f("ix_reliability_voter_id"), "reliability", ["voter_id"])


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
