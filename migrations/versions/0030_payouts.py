"""payouts, where they go, what holds them back, and what banks say of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "bank_files",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("outcome", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("read_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_files")),
        sa.UniqueConstraint("sha256", name=op.f("uq_bank_files_sha256")),
    )
    op.create_table(
        "payout_methods",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("rail", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("account_fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("masked", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("set_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("cooling_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'retired') = (retired_at IS NOT NULL)", name=op.f("ck_payout_methods_retired_when")
        ),
        sa.CheckConstraint("status IN ('active', 'retired')", name=op.f("ck_payout_methods_status_known")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_payout_methods_payee_id_payees")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_methods")),
    )
    op.create_index(
        "ix_payout_methods_active",
        "payout_methods",
        ["payee_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index(
        "ix_payout_methods_account",
        "payout_methods",
        ["account_fingerprint"],
        unique=False,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_table(
        "paying_accounts",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("rail", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("entered_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("confirmed_by <> entered_by", name=op.f("ck_paying_accounts_four_eyes")),
        sa.CheckConstraint(
            "num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name=op.f("ck_paying_accounts_confirmed_by_somebody")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_paying_accounts")),
    )
    op.create_index(op.f("ix_paying_accounts_rail_id"), "paying_accounts", ["rail", "id"])
    op.create_table(
        "payout_runs",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("rail", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cut_off", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paying_account_id", sa.Text(collation="C"), nullable=True),
        sa.Column("prepared_by", sa.Text(collation="C"), nullable=False),
        sa.Column("prepared_through", sa.Text(collation="C"), server_default=sa.text("''"), nullable=False),
        sa.Column("n_payees", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_payouts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=True),
        sa.Column("approved_by", sa.Text(collation="C"), nullable=True),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_by", sa.Text(collation="C"), nullable=True),
        sa.Column("exported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state IN ('approved', 'releasing', 'exported', 'closed')) <= (approved_by IS NOT NULL)",
            name=op.f("ck_payout_runs_approved_before_it_leaves"),
        ),
        sa.CheckConstraint(
            "state IN ('preparing', 'draft', 'approved', 'releasing', 'exported', 'closed', 'cancelling', 'cancelled')",
            name=op.f("ck_payout_runs_state_known"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('draft', 'approved') OR content_hash IS NOT NULL", name=op.f("ck_payout_runs_hashed")
        ),
        sa.CheckConstraint("approved_by <> prepared_by", name=op.f("ck_payout_runs_four_eyes")),
        sa.CheckConstraint(
            "num_nulls(approved_by, approved_at) IN (0, 2)", name=op.f("ck_payout_runs_approved_by_somebody")
        ),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_payout_runs_currency_currencies")),
        sa.ForeignKeyConstraint(
            ["paying_account_id"],
            ["paying_accounts.id"],
            name=op.f("fk_payout_runs_paying_account_id_paying_accounts"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_runs")),
    )
    op.create_index(
        "ix_payout_runs_moving",
        "payout_runs",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('preparing', 'releasing', 'cancelling')"),
    )
    op.create_table(
        "left_out",
        sa.Column("run_id", sa.Text(collation="C"), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("reason", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_left_out_payee_id_payees")),
        sa.ForeignKeyConstraint(["run_id"], ["payout_runs.id"], name=op.f("fk_left_out_run_id_payout_runs")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_left_out_currency_currencies")),
        sa.PrimaryKeyConstraint("run_id", "payee_id", "reason", "currency", name=op.f("pk_left_out")),
    )
    op.create_table(
        "payout_files",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("run_id", sa.Text(collation="C"), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["payout_runs.id"], name=op.f("fk_payout_files_run_id_payout_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout_files")),
    )
    op.create_index(op.f("ix_payout_files_run_id_id"), "payout_files", ["run_id", "id"])
    op.create_table(
        "run_rates",
        sa.Column("run_id", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("rate_id", sa.Text(collation="C"), nullable=False),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_run_rates_currency_currencies")),
        sa.ForeignKeyConstraint(["rate_id"], ["fx_rates.id"], name=op.f("fk_run_rates_rate_id_fx_rates")),
        sa.ForeignKeyConstraint(["run_id"], ["payout_runs.id"], name=op.f("fk_run_rates_run_id_payout_runs")),
        sa.PrimaryKeyConstraint("run_id", "currency", name=op.f("pk_run_rates")),
    )
    op.create_table(
        "payouts",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("run_id", sa.Text(collation="C"), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("method_id", sa.Text(collation="C"), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("earned_currency", sa.Text(collation="C"), nullable=False),
        sa.Column("fx_rate_id", sa.Text(collation="C"), nullable=True),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("end_to_end_id", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(), server_default="prepared", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('prepared', 'exported', 'settled', 'failed', 'returned', 'dropped')",
            name=op.f("ck_payouts_state_known"),
        ),
        sa.CheckConstraint("net > 0 AND gross > 0 AND fee >= 0", name=op.f("ck_payouts_above_zero")),
        sa.CheckConstraint("fx_rate_id IS NOT NULL OR net = gross - fee", name=op.f("ck_payouts_adds_up")),
        sa.CheckConstraint(
            "(fx_rate_id IS NULL) = (currency = earned_currency)", name=op.f("ck_payouts_converted_at_a_rate")
        ),
        sa.ForeignKeyConstraint(
            ["earned_currency"], ["currencies.code"], name=op.f("fk_payouts_earned_currency_currencies")
        ),
        sa.ForeignKeyConstraint(["fx_rate_id"], ["fx_rates.id"], name=op.f("fk_payouts_fx_rate_id_fx_rates")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_payouts_currency_currencies")),
        sa.ForeignKeyConstraint(["method_id"], ["payout_methods.id"], name=op.f("fk_payouts_method_id_payout_methods")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_payouts_payee_id_payees")),
        sa.ForeignKeyConstraint(["run_id"], ["payout_runs.id"], name=op.f("fk_payouts_run_id_payout_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
        sa.UniqueConstraint("end_to_end_id", name=op.f("uq_payouts_end_to_end_id")),
        sa.UniqueConstraint("run_id", "payee_id", "part", name=op.f("uq_payouts_run_id_payee_id_part")),
    )
    op.create_index(
        "ix_payouts_in_transit", "payouts", ["run_id"], unique=False, postgresql_where=sa.text("state = 'exported'")
    )
    op.create_index(op.f("ix_payouts_payee_id_id"), "payouts", ["payee_id", "id"], unique=False)
    op.create_index(op.f("ix_payouts_run_id_id"), "payouts", ["run_id", "id"], unique=False)
    op.create_table(
        "adjustments",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("earning_id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_before", sa.BigInteger(), nullable=False),
        sa.Column("amount_after", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('reversal', 'repair', 'bonus', 'goodwill')", name=op.f("ck_adjustments_kind_known")
        ),
        sa.CheckConstraint(
            "amount_before >= 0 AND amount_after >= 0 AND amount_before <> amount_after",
            name=op.f("ck_adjustments_amounts"),
        ),
        sa.ForeignKeyConstraint(["earning_id"], ["earnings.id"], name=op.f("fk_adjustments_earning_id_earnings")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustments")),
    )
    op.create_index(op.f("ix_adjustments_earning_id_id"), "adjustments", ["earning_id", "id"], unique=False)
    op.create_table(
        "bank_entries",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("file_id", sa.Text(collation="C"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("end_to_end_id", sa.Text(collation="C"), nullable=True),
        sa.Column("return_reason", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("payout_id", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(state = 'matched') <= (payout_id IS NOT NULL)", name=op.f("ck_bank_entries_matched_to_a_payout")
        ),
        sa.CheckConstraint("state IN ('matched', 'suspense')", name=op.f("ck_bank_entries_state_known")),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_bank_entries_amount_moves")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_bank_entries_currency_currencies")),
        sa.ForeignKeyConstraint(["file_id"], ["bank_files.id"], name=op.f("fk_bank_entries_file_id_bank_files")),
        sa.ForeignKeyConstraint(["payout_id"], ["payouts.id"], name=op.f("fk_bank_entries_payout_id_payouts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_entries")),
        sa.UniqueConstraint("account", "reference", name=op.f("uq_bank_entries_account_reference")),
    )
    op.create_index(op.f("ix_bank_entries_file_id"), "bank_entries", ["file_id"], unique=False)
    op.create_index(op.f("ix_bank_entries_payout_id"), "bank_entries", ["payout_id"], unique=False)
    op.create_index(
        "ix_bank_entries_suspense", "bank_entries", ["id"], unique=False, postgresql_where=sa.text("state = 'suspense'")
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("payee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("earning_id", sa.Text(collation="C"), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_legal", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_by", sa.Text(collation="C"), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("NOT is_legal OR ended_by IS DISTINCT FROM made_by", name=op.f("ck_holds_legal_by_two")),
        sa.CheckConstraint("is_legal = (until IS NULL)", name=op.f("ck_holds_only_legal_without_end")),
        sa.CheckConstraint(
            "num_nulls(ended_by, ended_at, end_reason) IN (0, 3)", name=op.f("ck_holds_ended_by_somebody")
        ),
        sa.ForeignKeyConstraint(["earning_id"], ["earnings.id"], name=op.f("fk_holds_earning_id_earnings")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_holds_payee_id_payees")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_index(
        "ix_holds_active", "holds", ["payee_id"], unique=False, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_table(
        "payout_items",
        sa.Column("payout_id", sa.Text(collation="C"), nullable=False),
        sa.Column("earning_id", sa.Text(collation="C"), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("counts", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("NOT (open AND counts)", name=op.f("ck_payout_items_open_or_gone")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payout_items_amount_positive")),
        sa.ForeignKeyConstraint(["earning_id"], ["earnings.id"], name=op.f("fk_payout_items_earning_id_earnings")),
        sa.ForeignKeyConstraint(["payout_id"], ["payouts.id"], name=op.f("fk_payout_items_payout_id_payouts")),
        sa.PrimaryKeyConstraint("payout_id", "earning_id", name=op.f("pk_payout_items")),
    )
    op.create_index(op.f("ix_payout_items_earning_id"), "payout_items", ["earning_id"], unique=False)
    op.create_index(
        "ix_payout_items_open", "payout_items", ["earning_id", "part"], unique=True, postgresql_where=sa.text("open")
    )
    for table in ("adjustments", "payout_files", "run_rates"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
