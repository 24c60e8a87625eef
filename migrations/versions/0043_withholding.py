"""what authorities and debts take of payouts, what payees have shown to authorities, and what was sent to these."""

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_NOW = sa.text("now()")


def upgrade() -> None:
    _widen_payouts()
    _create_withholdings()
    _create_nettings()
    _create_tax_documents()
    _create_remittances()


def _widen_payouts() -> None:
    # The older table first, as whoever reads both does.
    op.drop_constraint(op.f("ck_payout_runs_state_known"), "payout_runs", type_="check")
    op.create_check_constraint(
        op.f("ck_payout_runs_state_known"),
        "payout_runs",
        "state IN ('preparing', 'draft', 'approved', 'releasing', 'exported', 'closed', 'rechecking', 'cancelling', "
        "'cancelled')",
    )
    op.drop_index("ix_payout_runs_moving", "payout_runs")
    op.create_index(
        "ix_payout_runs_moving",
        "payout_runs",
        ["id"],
        postgresql_where=sa.text("state IN ('preparing', 'rechecking', 'releasing', 'cancelling')"),
    )
    op.add_column("payouts", sa.Column("withheld", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    for name, rule in (
        ("above_zero", "net > 0 AND gross > 0 AND fee >= 0 AND withheld >= 0"),
        ("adds_up", "fx_rate_id IS NOT NULL OR net = gross - fee - withheld"),
    ):
        op.drop_constraint(op.f(f"ck_payouts_{name}"), "payouts", type_="check")
        op.create_check_constraint(op.f(f"ck_payouts_{name}"), "payouts", rule)
    op.create_index(op.f("ix_payouts_payee_id_created_at"), "payouts", ["payee_id", "created_at"])


def _create_withholdings() -> None:
    op.create_table(
        "withholdings",
        sa.Column("payout_id", _ID, nullable=False),
        sa.Column("rule_id", _ID, nullable=False),
        sa.Column("authority", _ID, nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("amount > 0 AND amount <= base", name=op.f("ck_withholdings_amount_of_base")),
        sa.ForeignKeyConstraint(["payout_id"], ["payouts.id"], name=op.f("fk_withholdings_payout_id_payouts")),
        sa.ForeignKeyConstraint(["rule_id"], ["tax_rules.id"], name=op.f("fk_withholdings_rule_id_tax_rules")),
        sa.PrimaryKeyConstraint("payout_id", "rule_id", name=op.f("pk_withholdings")),
    )
    op.create_index(op.f("ix_withholdings_authority_payout_id"), "withholdings", ["authority", "payout_id"])
    for trigger, event, each in (("append_only", "UPDATE OR DELETE", "ROW"), ("no_truncate", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {event} ON withholdings FOR EACH {each} EXECUTE FUNCTION refuse_change()"
        )


def _create_nettings() -> None:
    op.create_table(
        "nettings",
        sa.Column("payout_id", _ID, nullable=False),
        sa.Column("clawback_id", _ID, nullable=False),
        sa.Column("earning_id", _ID, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("counts", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_nettings_amount_positive")),
        sa.CheckConstraint("NOT (open AND counts)", name=op.f("ck_nettings_open_or_gone")),
        sa.ForeignKeyConstraint(["payout_id"], ["payouts.id"], name=op.f("fk_nettings_payout_id_payouts")),
        sa.ForeignKeyConstraint(["clawback_id"], ["clawbacks.id"], name=op.f("fk_nettings_clawback_id_clawbacks")),
        sa.ForeignKeyConstraint(["earning_id"], ["earnings.id"], name=op.f("fk_nettings_earning_id_earnings")),
        sa.PrimaryKeyConstraint("payout_id", "clawback_id", "earning_id", name=op.f("pk_nettings")),
    )
    op.create_index(op.f("ix_nettings_earning_id"), "nettings", ["earning_id"])
    op.create_index(op.f("ix_nettings_clawback_id"), "nettings", ["clawback_id"])


def _create_tax_documents() -> None:
    op.create_table(
        "tax_documents",
        sa.Column("id", _ID, nullable=False),
        sa.Column("payee_id", _ID, nullable=False),
        sa.Column("document", _ID, nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("entered_by", _ID, nullable=False),
        sa.Column("confirmed_by", _ID, nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("valid_to >= valid_from", name=op.f("ck_tax_documents_ends_later")),
        sa.CheckConstraint("confirmed_by <> entered_by", name=op.f("ck_tax_documents_four_eyes")),
        sa.CheckConstraint(
            "num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name=op.f("ck_tax_documents_confirmed_when")
        ),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_tax_documents_payee_id_payees")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_documents")),
    )
    op.create_index(op.f("ix_tax_documents_payee_id_id"), "tax_documents", ["payee_id", "id"])


def _create_remittances() -> None:
    op.create_table(
        "remittances",
        sa.Column("id", _ID, nullable=False),
        sa.Column("authority", _ID, nullable=False),
        sa.Column("currency", _ID, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("filing", _ID, nullable=False),
        sa.Column("entered_by", _ID, nullable=False),
        sa.Column("confirmed_by", _ID, nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_id", _ID, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_remittances_amount_positive")),
        sa.CheckConstraint(
            "(confirmed_by IS NULL) = (entry_id IS NULL)", name=op.f("ck_remittances_confirmed_is_posted")
        ),
        sa.CheckConstraint("confirmed_by <> entered_by", name=op.f("ck_remittances_four_eyes")),
        sa.CheckConstraint(
            "num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name=op.f("ck_remittances_confirmed_when")
        ),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_remittances_currency_currencies")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_remittances_entry_id_journal_entries")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_remittances")),
        sa.UniqueConstraint("authority", "filing", name=op.f("uq_remittances_authority_filing")),
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
