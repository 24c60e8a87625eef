"""what people say of lines in suspense, of money that was changed, and of pay that nobody claims."""

import sqlalchemy as sa
from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bank_balances",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("file_id", sa.Text(collation="C"), nullable=False),
        sa.Column("account", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=False),
        sa.Column("closing", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_bank_balances_currency_currencies")),
        sa.ForeignKeyConstraint(["file_id"], ["bank_files.id"], name=op.f("fk_bank_balances_file_id_bank_files")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_balances")),
    )
    op.create_index(op.f("ix_bank_balances_file_id"), "bank_balances", ["file_id"], unique=False)
    op.create_index(
        op.f("ix_bank_balances_currency_closed_on"), "bank_balances", ["currency", "closed_on"], unique=False
    )
    op.create_table(
        "fx_purchases",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("run_id", sa.Text(collation="C"), nullable=False),
        sa.Column("bank_reference", sa.Text(collation="C"), nullable=False),
        sa.Column("sold_currency", sa.Text(collation="C"), nullable=False),
        sa.Column("sold", sa.BigInteger(), nullable=False),
        sa.Column("bought_currency", sa.Text(collation="C"), nullable=False),
        sa.Column("bought", sa.BigInteger(), nullable=False),
        sa.Column("earned_currency", sa.Text(collation="C"), nullable=False),
        sa.Column("gain", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_id", sa.Text(collation="C"), nullable=True),
        sa.CheckConstraint(
            "(state = 'posted') = (entry_id IS NOT NULL)", name=op.f("ck_fx_purchases_confirmed_is_posted")
        ),
        sa.CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name=op.f("ck_fx_purchases_decided")),
        sa.CheckConstraint("state <> 'posted' OR decided_by <> made_by", name=op.f("ck_fx_purchases_four_eyes")),
        sa.CheckConstraint("state IN ('proposed', 'refused', 'posted')", name=op.f("ck_fx_purchases_state_known")),
        sa.CheckConstraint(
            "earned_currency IN (sold_currency, bought_currency)", name=op.f("ck_fx_purchases_earned_is_one")
        ),
        sa.CheckConstraint(
            "num_nulls(decided_by, decided_at) IN (0, 2)", name=op.f("ck_fx_purchases_decided_by_somebody")
        ),
        sa.CheckConstraint(
            "sold > 0 AND bought > 0 AND sold_currency <> bought_currency", name=op.f("ck_fx_purchases_changes_money")
        ),
        sa.ForeignKeyConstraint(
            ["bought_currency"], ["currencies.code"], name=op.f("fk_fx_purchases_bought_currency_currencies")
        ),
        sa.ForeignKeyConstraint(
            ["earned_currency"], ["currencies.code"], name=op.f("fk_fx_purchases_earned_currency_currencies")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_fx_purchases_entry_id_journal_entries")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["payout_runs.id"], name=op.f("fk_fx_purchases_run_id_payout_runs")),
        sa.ForeignKeyConstraint(
            ["sold_currency"], ["currencies.code"], name=op.f("fk_fx_purchases_sold_currency_currencies")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fx_purchases")),
    )
    op.create_index(
        "ix_fx_purchases_reference",
        "fx_purchases",
        ["bank_reference"],
        unique=True,
        postgresql_where=sa.text("state <> 'refused'"),
    )
    op.create_index(op.f("ix_fx_purchases_run_id_id"), "fx_purchases", ["run_id", "id"], unique=False)
    op.create_table(
        "unclaimed",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("payout_id", sa.Text(collation="C"), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("noticed_on", sa.Date(), nullable=False),
        sa.Column("claimable_until", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claimed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("filing", sa.Text(collation="C"), nullable=True),
        sa.Column("filed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("handed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("handed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'claimed') = (claimed_by IS NOT NULL)", name=op.f("ck_unclaimed_claimed")),
        sa.CheckConstraint("(state = 'handed_over') = (handed_by IS NOT NULL)", name=op.f("ck_unclaimed_handed_over")),
        sa.CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name=op.f("ck_unclaimed_decided")),
        sa.CheckConstraint(
            "(state IN ('proposed', 'refused')) = (amount = 0)", name=op.f("ck_unclaimed_confirmed_has_an_amount")
        ),
        sa.CheckConstraint(
            "num_nulls(filing, filed_by) IN (0, 2) AND (filing IS NULL OR state IN ('kept', 'handed_over'))",
            name=op.f("ck_unclaimed_filed_by_somebody"),
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'refused') OR decided_by <> made_by", name=op.f("ck_unclaimed_four_eyes")
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'refused', 'kept', 'claimed', 'handed_over')", name=op.f("ck_unclaimed_state_known")
        ),
        sa.CheckConstraint("amount >= 0", name=op.f("ck_unclaimed_amount_range")),
        sa.CheckConstraint("claimable_until >= noticed_on", name=op.f("ck_unclaimed_notice")),
        sa.CheckConstraint(
            "handed_by IS NULL OR (filing IS NOT NULL AND handed_by <> filed_by)",
            name=op.f("ck_unclaimed_handed_by_two"),
        ),
        sa.CheckConstraint(
            "num_nulls(claimed_by, claimed_at) IN (0, 2)", name=op.f("ck_unclaimed_claimed_by_somebody")
        ),
        sa.CheckConstraint(
            "num_nulls(decided_by, decided_at) IN (0, 2)", name=op.f("ck_unclaimed_decided_by_somebody")
        ),
        sa.CheckConstraint("num_nulls(handed_by, handed_at) IN (0, 2)", name=op.f("ck_unclaimed_handed_by_somebody")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_unclaimed_currency_currencies")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_unclaimed_payee_id_payees")),
        sa.ForeignKeyConstraint(["payout_id"], ["payouts.id"], name=op.f("fk_unclaimed_payout_id_payouts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unclaimed")),
    )
    op.create_index(
        "ix_unclaimed_filing", "unclaimed", ["filing"], unique=False, postgresql_where=sa.text("filing IS NOT NULL")
    )
    op.create_index(op.f("ix_unclaimed_payee_id_id"), "unclaimed", ["payee_id", "id"], unique=False)
    op.create_index(
        "ix_unclaimed_payout", "unclaimed", ["payout_id"], unique=True, postgresql_where=sa.text("state <> 'refused'")
    )
    op.create_table(
        "resolutions",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("bank_entry_id", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("owner_ref", sa.Text(collation="C"), nullable=True),
        sa.Column("payout_id", sa.Text(collation="C"), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("booked_id", sa.Text(collation="C"), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_id", sa.Text(collation="C"), nullable=True),
        sa.CheckConstraint(
            "(kind = 'booked') = (booked_id IS NOT NULL)", name=op.f("ck_resolutions_booked_by_an_entry")
        ),
        sa.CheckConstraint("(kind = 'own') = (role IS NOT NULL)", name=op.f("ck_resolutions_own_has_an_account")),
        sa.CheckConstraint("(kind = 'payout') = (payout_id IS NOT NULL)", name=op.f("ck_resolutions_payout_named")),
        sa.CheckConstraint(
            "(kind = 'top_up') = (owner_ref IS NOT NULL)", name=op.f("ck_resolutions_top_up_of_an_owner")
        ),
        sa.CheckConstraint(
            "(state = 'posted') = (entry_id IS NOT NULL)", name=op.f("ck_resolutions_confirmed_is_posted")
        ),
        sa.CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name=op.f("ck_resolutions_decided")),
        sa.CheckConstraint(
            "kind IN ('top_up', 'payout', 'sent_back', 'own', 'booked')", name=op.f("ck_resolutions_kind_known")
        ),
        sa.CheckConstraint("state <> 'posted' OR decided_by <> made_by", name=op.f("ck_resolutions_four_eyes")),
        sa.CheckConstraint("state IN ('proposed', 'refused', 'posted')", name=op.f("ck_resolutions_state_known")),
        sa.CheckConstraint(
            "num_nulls(decided_by, decided_at) IN (0, 2)", name=op.f("ck_resolutions_decided_by_somebody")
        ),
        sa.ForeignKeyConstraint(
            ["bank_entry_id"], ["bank_entries.id"], name=op.f("fk_resolutions_bank_entry_id_bank_entries")
        ),
        sa.ForeignKeyConstraint(
            ["booked_id"], ["journal_entries.id"], name=op.f("fk_resolutions_booked_id_journal_entries")
        ),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_resolutions_currency_currencies")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_resolutions_entry_id_journal_entries")
        ),
        sa.ForeignKeyConstraint(["owner_ref"], ["owners.owner_ref"], name=op.f("fk_resolutions_owner_ref_owners")),
        sa.ForeignKeyConstraint(["payout_id"], ["payouts.id"], name=op.f("fk_resolutions_payout_id_payouts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolutions")),
    )
    op.create_index(
        "ix_resolutions_booked",
        "resolutions",
        ["booked_id", "currency"],
        unique=True,
        postgresql_where=sa.text("booked_id IS NOT NULL AND state <> 'refused'"),
    )
    op.create_index(
        "ix_resolutions_line",
        "resolutions",
        ["bank_entry_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'refused'"),
    )
    op.create_table(
        "unclaimed_items",
        sa.Column("unclaimed_id", sa.Text(collation="C"), nullable=False),
        sa.Column("earning_id", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_unclaimed_items_amount_positive")),
        sa.ForeignKeyConstraint(["earning_id"], ["earnings.id"], name=op.f("fk_unclaimed_items_earning_id_earnings")),
        sa.ForeignKeyConstraint(
            ["unclaimed_id"], ["unclaimed.id"], name=op.f("fk_unclaimed_items_unclaimed_id_unclaimed")
        ),
        sa.PrimaryKeyConstraint("unclaimed_id", "earning_id", name=op.f("pk_unclaimed_items")),
    )
    op.create_index(op.f("ix_unclaimed_items_earning_id"), "unclaimed_items", ["earning_id"], unique=False)
    # Held against all rows by the next one.
    op.execute("ALTER TABLE bank_entries DROP CONSTRAINT ck_bank_entries_state_known")
    op.execute(
        "ALTER TABLE bank_entries ADD CONSTRAINT ck_bank_entries_state_known"
        " CHECK (state IN ('matched', 'suspense', 'resolved')) NOT VALID"
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_balances"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON bank_balances"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
