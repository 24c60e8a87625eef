"""what providers took for payouts and the books could not follow."""

import sqlalchemy as sa
from alembic import op

revision = "0057"
down_revision = "0056"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "unplaced_fees",
        sa.Column("id", _ID, nullable=False),
        sa.Column("file_id", _ID, nullable=False),
        sa.Column("payout_id", _ID, nullable=False),
        sa.Column("told", _ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unplaced_fees")),
        sa.ForeignKeyConstraint(["file_id"], ["bank_files.id"], name=op.f("fk_unplaced_fees_file_id_bank_files")),
        sa.ForeignKeyConstraint(["payout_id"], ["payouts.id"], name=op.f("fk_unplaced_fees_payout_id_payouts")),
        sa.UniqueConstraint("payout_id", "reason", "told", name=op.f("uq_unplaced_fees_payout_id_reason_told")),
        sa.CheckConstraint(
            "reason IN ('currency', 'negative', 'decimals', 'too_much', 'not_settled', 'differs')",
            name=op.f("ck_unplaced_fees_reason_known"),
        ),
    )
    op.create_index(op.f("ix_unplaced_fees_file_id"), "unplaced_fees", ["file_id"], unique=False)
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON unplaced_fees"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON unplaced_fees"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
