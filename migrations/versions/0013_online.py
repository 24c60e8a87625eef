"""statistics that follow the votes between two refits, refits with their progress, and revisions."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "contributions",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("posterior", sa.LargeBinary(), nullable=False),
        sa.Column("voters", sa.ARRAY(_ID), nullable=False),
        sa.Column(
            "counted_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("project_id", "generation", "task_id", name=op.f("pk_contributions")),
    )
    op.create_table(
        "refits",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("n_votes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_iter", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("objective", sa.Double(), nullable=True),
        sa.Column("written", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("drift_largest", sa.Double(), nullable=True),
        sa.Column("drift_mean", sa.Double(), nullable=True),
        sa.Column("n_flipped", sa.Integer(), nullable=True),
        sa.Column("n_revised", sa.Integer(), nullable=True),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("project_id", "number", name=op.f("pk_refits")),
        sa.CheckConstraint("state IN ('running', 'done', 'abandoned')", name=op.f("ck_refits_state_known")),
    )
    op.create_table(
        "revisions",
        sa.Column("project_id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("settled_label", sa.SmallInteger(), nullable=False),
        sa.Column("settled_confidence", sa.Double(), nullable=False),
        sa.Column("label", sa.SmallInteger(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("refit", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("project_id", "task_id", name=op.f("pk_revisions")),
    )
    op.add_column("project_fits", sa.Column("generation", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("project_fits", sa.Column("classes", sa.LargeBinary(), nullable=True))
    op.add_column("project_fits", sa.Column("total", sa.LargeBinary(), nullable=True))
    op.add_column("project_fits", sa.Column("surprise", sa.Double(), server_default=sa.text("0"), nullable=False))
    op.add_column("project_fits", sa.Column("n_foretold", sa.Integer(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
