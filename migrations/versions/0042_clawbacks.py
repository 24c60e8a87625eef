"""what was paid out and is asked back."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clawbacks",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("earning_id", sa.Text(collation="C"), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("returned", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("recovered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("written_off", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_id", sa.Text(collation="C"), nullable=True),
        sa.Column("write_off_by", sa.Text(collation="C"), nullable=True),
        sa.Column("write_off_reason", sa.Text(), nullable=True),
        sa.Column("written_off_by", sa.Text(collation="C"), nullable=True),
        sa.Column("written_off_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'open') = (entry_id IS NOT NULL AND recovered + written_off < amount)",
            name=op.f("ck_clawbacks_open_is_owed"),
        ),
        sa.CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name=op.f("ck_clawbacks_decided")),
        sa.CheckConstraint(
            "(state IN ('proposed', 'refused')) = (entry_id IS NULL)", name=op.f("ck_clawbacks_confirmed_is_posted")
        ),
        sa.CheckConstraint(
            "(written_off > 0) = (written_off_by IS NOT NULL) AND (state = 'written_off') = (written_off > 0)",
            name=op.f("ck_clawbacks_written_off"),
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'refused', 'open', 'recovered', 'written_off')",
            name=op.f("ck_clawbacks_state_known"),
        ),
        sa.CheckConstraint(
            "amount > 0 AND returned >= 0 AND recovered >= 0 AND written_off >= 0 AND recovered + written_off <= amount",
            name=op.f("ck_clawbacks_amounts"),
        ),
        sa.CheckConstraint("entry_id IS NULL OR decided_by <> made_by", name=op.f("ck_clawbacks_four_eyes")),
        sa.CheckConstraint(
            "num_nulls(decided_by, decided_at) IN (0, 2)", name=op.f("ck_clawbacks_decided_by_somebody")
        ),
        sa.CheckConstraint(
            "num_nulls(write_off_by, write_off_reason) IN (0, 2)", name=op.f("ck_clawbacks_write_off_with_reason")
        ),
        sa.CheckConstraint(
            "num_nulls(written_off_by, written_off_at) IN (0, 2)", name=op.f("ck_clawbacks_written_off_by_somebody")
        ),
        sa.CheckConstraint(
            "written_off_by IS NULL OR (write_off_by IS NOT NULL AND written_off_by <> write_off_by)",
            name=op.f("ck_clawbacks_written_off_by_two"),
        ),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_clawbacks_currency_currencies")),
        sa.ForeignKeyConstraint(["earning_id"], ["earnings.id"], name=op.f("fk_clawbacks_earning_id_earnings")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_clawbacks_entry_id_journal_entries")
        ),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_clawbacks_payee_id_payees")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clawbacks")),
    )
    op.create_index(
        "ix_clawbacks_earning", "clawbacks", ["earning_id"], unique=True, postgresql_where=sa.text("state <> 'refused'")
    )
    op.create_index(op.f("ix_clawbacks_payee_id_id"), "clawbacks", ["payee_id", "id"], unique=False)


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
