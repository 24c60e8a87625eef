"""free funds that go back to where they came from."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refunds",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("owner_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("top_up_id", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_id", sa.Text(collation="C"), nullable=True),
        sa.CheckConstraint("(state = 'approved') = (entry_id IS NOT NULL)", name=op.f("ck_refunds_approved_is_posted")),
        sa.CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name=op.f("ck_refunds_decided")),
        sa.CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name=op.f("ck_refunds_refused_with_reason")),
        sa.CheckConstraint("state <> 'approved' OR decided_by <> requested_by", name=op.f("ck_refunds_four_eyes")),
        sa.CheckConstraint("state IN ('proposed', 'approved', 'refused')", name=op.f("ck_refunds_state_known")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount_positive")),
        sa.CheckConstraint("num_nulls(decided_by, decided_at) IN (0, 2)", name=op.f("ck_refunds_decided_by_somebody")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_refunds_currency_currencies")),
        sa.ForeignKeyConstraint(["entry_id"], ["journal_entries.id"], name=op.f("fk_refunds_entry_id_journal_entries")),
        sa.ForeignKeyConstraint(["owner_ref"], ["owners.owner_ref"], name=op.f("fk_refunds_owner_ref_owners")),
        sa.ForeignKeyConstraint(
            ["top_up_id"], ["journal_entries.id"], name=op.f("fk_refunds_top_up_id_journal_entries")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
    )
    op.create_index(op.f("ix_refunds_owner_ref_id"), "refunds", ["owner_ref", "id"], unique=False)
    op.create_index(op.f("ix_refunds_top_up_id"), "refunds", ["top_up_id"], unique=False)


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
