"""what moved at banks day by day, entries of another day than they were written on, traces, names and manifests."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0057"
down_revision = "0053"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "bank_days",
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("up_to_entry", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(38, 0), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_bank_days_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", "up_to_entry", "day", name=op.f("pk_bank_days")),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_days FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON bank_days FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    # The version before writes none, and its files go by the name of now.
    op.add_column("payouts", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("payout_files", sa.Column("n_parts", sa.Integer(), nullable=True))
    op.add_column("payout_files", sa.Column("sums", JSONB(), nullable=True))
    op.add_column("payout_files", sa.Column("as_of", sa.DateTime(timezone=True), nullable=True))
    # By which a bank's return names a payout: the last characters of its name, as `files/nacha.py` writes them.
    op.create_index("ix_payouts_trace", "payouts", [sa.text("upper(right(end_to_end_id, 15))")])
    # Nearly empty; whoever looks for a month's entries finds all others by their ids. Reading a million takes a second.
    op.create_index(
        "ix_journal_entries_another_day", "journal_entries", ["effective_on"],
        postgresql_where=sa.text("effective_on <> CAST(created_at AT TIME ZONE 'UTC' AS date)"),
    )  # fmt: skip


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
