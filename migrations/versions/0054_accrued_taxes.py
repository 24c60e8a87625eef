"""what authorities take of pay when it is earned."""

import sqlalchemy as sa
from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_TAKEN = sa.text("amount > 0")


def upgrade() -> None:
    # The version before takes nothing: the next migration asks whether that holds of all.
    op.add_column("earnings", sa.Column("withheld", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.execute(
        "ALTER TABLE earnings ADD CONSTRAINT ck_earnings_withheld_range CHECK (withheld BETWEEN 0 AND paid) NOT VALID"
    )
    op.create_index(
        "ix_tax_rules_accrual", "tax_rules", ["country"], postgresql_where=sa.text("basis = 'accrual'")
    )  # fmt: skip
    _create_accrued_taxes()
    _create_accrued_months()


def _create_accrued_taxes() -> None:
    op.create_table(
        "accrued_taxes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("earning_id", _ID, nullable=False),
        sa.Column("revision", sa.SmallInteger(), nullable=False),
        sa.Column("payee_id", _ID, nullable=False),
        sa.Column("rule_id", _ID, nullable=False),
        sa.Column("authority", _ID, nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("counts", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("entry_id", _ID, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accrued_taxes")),
        sa.ForeignKeyConstraint(["earning_id"], ["earnings.id"], name=op.f("fk_accrued_taxes_earning_id_earnings")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_accrued_taxes_payee_id_payees")),
        sa.ForeignKeyConstraint(["rule_id"], ["tax_rules.id"], name=op.f("fk_accrued_taxes_rule_id_tax_rules")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_accrued_taxes_entry_id_journal_entries")
        ),
        sa.UniqueConstraint(
            "earning_id", "revision", "rule_id", name=op.f("uq_accrued_taxes_earning_id_revision_rule_id")
        ),
        sa.CheckConstraint("base >= 0 AND amount >= 0", name=op.f("ck_accrued_taxes_not_negative")),
        sa.CheckConstraint("(amount > 0) = (entry_id IS NOT NULL)", name=op.f("ck_accrued_taxes_taken_is_posted")),
    )
    for column in ("payee_id", "authority"):
        name = f"ix_accrued_taxes_{column.removesuffix('_id')}"
        op.create_index(name, "accrued_taxes", [column, "id"], postgresql_where=_TAKEN)


def _create_accrued_months() -> None:
    op.create_table(
        "accrued_months",
        sa.Column("payee_id", _ID, nullable=False),
        sa.Column("rule_id", _ID, nullable=False),
        sa.Column("currency", _ID, nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.Column("base", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("payee_id", "rule_id", "currency", "month", name=op.f("pk_accrued_months")),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_accrued_months_payee_id_payees")),
        sa.ForeignKeyConstraint(["rule_id"], ["tax_rules.id"], name=op.f("fk_accrued_months_rule_id_tax_rules")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_accrued_months_currency_currencies")),
        sa.CheckConstraint("gross >= 0 AND base >= 0 AND taken >= 0", name=op.f("ck_accrued_months_not_negative")),
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
