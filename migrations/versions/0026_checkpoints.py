"""how far a fit had come that was killed before its end."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("project_id", sa.Text(collation="C"), nullable=False),
        sa.Column("n_votes", sa.Integer(), nullable=False),
        sa.Column("n_iter", sa.Integer(), nullable=False),
        sa.Column("voters", postgresql.ARRAY(sa.Text(collation="C")), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.Column("classes", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", name=op.f("pk_checkpoints")),
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
