"""two people say that a payout was not paid, where no bank tells."""

import sqlalchemy as sa
from alembic import op

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "payout_failures",
        sa.Column("id", _ID, nullable=False),
        sa.Column("payout_id", _ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_failures")),
        sa.ForeignKeyConstraint(["payout_id"], ["payouts.id"], name=op.f("fk_payout_failures_payout_id_payouts")),
        sa.CheckConstraint("state IN ('proposed', 'refused', 'posted')", name=op.f("ck_payout_failures_state_known")),
        sa.CheckConstraint(
            "num_nulls(decided_by, decided_at) IN (0, 2)", name=op.f("ck_payout_failures_decided_by_somebody")
        ),
        sa.CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name=op.f("ck_payout_failures_decided")),
        sa.CheckConstraint("state <> 'posted' OR decided_by <> made_by", name=op.f("ck_payout_failures_four_eyes")),
    )
    op.create_index(
        "ix_payout_failures_payout", "payout_failures", ["payout_id"], unique=True,
        postgresql_where=sa.text("state <> 'refused'"),
    )  # fmt: skip


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
