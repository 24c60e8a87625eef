"""terms, credit and invoices; what owners spend, as a view of the journal."""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

# What an owner's money has become in payees' pay and the house's fee, line by line; what was taken back is below zero.
# Two parts, so that one owner's lines are found by their accounts.
_SPENDING = """
    CREATE VIEW spending AS
    WITH moves AS NOT MATERIALIZED (
        SELECT entry_id, debit_id AS own_id, credit_id AS other_id, currency, amount FROM journal_lines
        UNION ALL
        SELECT entry_id, credit_id, debit_id, currency, -amount FROM journal_lines
    ), spent AS NOT MATERIALIZED (
        SELECT r.owner_ref, r.cause_ref, m.entry_id, m.other_id, m.currency, m.amount
          FROM reserves r JOIN accounts a ON a.role = 'reserve' AND a.owner_ref = r.cause_ref
          JOIN moves m ON m.own_id = a.id
        UNION ALL
        SELECT a.owner_ref, '', m.entry_id, m.other_id, m.currency, m.amount
          FROM accounts a JOIN moves m ON m.own_id = a.id WHERE a.role = 'funds'
    )
    SELECT s.owner_ref, s.currency, e.effective_on, e.kind, s.cause_ref, s.entry_id,
           CASE WHEN o.role = 'platform_fee' THEN 0 ELSE s.amount END AS work,
           CASE WHEN o.role = 'platform_fee' THEN s.amount ELSE 0 END AS fee
      FROM spent s JOIN accounts o ON o.id = s.other_id AND o.role IN ('payable', 'receivable_payee', 'platform_fee')
      JOIN journal_entries e ON e.id = s.entry_id
"""


def upgrade() -> None:
    op.create_table(
        "contracts",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("owner_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("entity", sa.Text(collation="C"), nullable=False),
        sa.Column("presentation", sa.Text(), nullable=False),
        sa.Column("billing", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("billing IN ('prepaid', 'postpaid')", name=op.f("ck_contracts_billing_known")),
        sa.CheckConstraint("presentation IN ('agent', 'principal')", name=op.f("ck_contracts_presentation_known")),
        sa.CheckConstraint("confirmed_by <> made_by", name=op.f("ck_contracts_four_eyes")),
        sa.CheckConstraint(
            "num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name=op.f("ck_contracts_confirmed_by_somebody")
        ),
        sa.ForeignKeyConstraint(["owner_ref"], ["owners.owner_ref"], name=op.f("fk_contracts_owner_ref_owners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contracts")),
    )
    op.create_index(op.f("ix_contracts_owner_ref_valid_from"), "contracts", ["owner_ref", "valid_from"], unique=False)
    op.create_table(
        "credit_limits",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("owner_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_credit_limits_amount_positive")),
        sa.CheckConstraint("confirmed_by <> made_by", name=op.f("ck_credit_limits_four_eyes")),
        sa.CheckConstraint(
            "num_nulls(confirmed_by, confirmed_at) IN (0, 2)", name=op.f("ck_credit_limits_confirmed_by_somebody")
        ),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_credit_limits_currency_currencies")),
        sa.ForeignKeyConstraint(["owner_ref"], ["owners.owner_ref"], name=op.f("fk_credit_limits_owner_ref_owners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_limits")),
    )
    op.create_index(
        op.f("ix_credit_limits_owner_ref_currency_valid_from"),
        "credit_limits",
        ["owner_ref", "currency", "valid_from"],
        unique=False,
    )
    op.create_table(
        "invoice_numbers",
        sa.Column("entity", sa.Text(collation="C"), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.CheckConstraint("last > 0", name=op.f("ck_invoice_numbers_last_positive")),
        sa.PrimaryKeyConstraint("entity", "year", name=op.f("pk_invoice_numbers")),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("owner_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("period", sa.Date(), nullable=False),
        sa.Column("entity", sa.Text(collation="C"), nullable=False),
        sa.Column("presentation", sa.Text(), nullable=False),
        sa.Column("billing", sa.Text(), nullable=False),
        sa.Column("work", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("vat_basis_points", sa.Integer(), nullable=False),
        sa.Column("vat", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.Column("made_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=True),
        sa.Column("serial", sa.Integer(), nullable=True),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("issued_by", sa.Text(collation="C"), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_id", sa.Text(collation="C"), nullable=True),
        sa.Column("payment_id", sa.Text(collation="C"), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("voided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state = 'paid' AND due > 0) = (payment_id IS NOT NULL)", name=op.f("ck_invoices_paid_is_posted")
        ),
        sa.CheckConstraint("(state = 'paid') = (paid_at IS NOT NULL)", name=op.f("ck_invoices_paid_when")),
        sa.CheckConstraint("(state = 'void') = (voided_by IS NOT NULL)", name=op.f("ck_invoices_voided")),
        sa.CheckConstraint("billing IN ('prepaid', 'postpaid')", name=op.f("ck_invoices_billing_known")),
        sa.CheckConstraint("presentation IN ('agent', 'principal')", name=op.f("ck_invoices_presentation_known")),
        sa.CheckConstraint("state <> 'draft' OR serial IS NULL", name=op.f("ck_invoices_draft_has_none")),
        sa.CheckConstraint("state IN ('draft', 'issued', 'paid', 'void')", name=op.f("ck_invoices_state_known")),
        sa.CheckConstraint(
            "state IN ('draft', 'void') OR serial IS NOT NULL", name=op.f("ck_invoices_issued_has_number")
        ),
        sa.CheckConstraint("due BETWEEN vat AND total", name=op.f("ck_invoices_due_range")),
        sa.CheckConstraint("extract(day FROM period) = 1", name=op.f("ck_invoices_period_is_a_month")),
        sa.CheckConstraint(
            "num_nulls(voided_by, voided_at, void_reason) IN (0, 3)", name=op.f("ck_invoices_voided_by_somebody")
        ),
        sa.CheckConstraint(
            "num_nulls(year, serial, due, issued_by, issued_at) IN (0, 5)", name=op.f("ck_invoices_issued_by_somebody")
        ),
        sa.CheckConstraint(
            "total = work + fee + vat AND total > 0 AND fee >= 0 AND vat >= 0", name=op.f("ck_invoices_adds_up")
        ),
        sa.CheckConstraint("vat_basis_points BETWEEN 0 AND 10000", name=op.f("ck_invoices_vat_range")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_invoices_currency_currencies")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_invoices_entry_id_journal_entries")
        ),
        sa.ForeignKeyConstraint(["owner_ref"], ["owners.owner_ref"], name=op.f("fk_invoices_owner_ref_owners")),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["journal_entries.id"], name=op.f("fk_invoices_payment_id_journal_entries")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("entity", "year", "serial", name=op.f("uq_invoices_entity_year_serial")),
    )
    op.create_index(
        "ix_invoices_one",
        "invoices",
        ["owner_ref", "currency", "period"],
        unique=True,
        postgresql_where=sa.text("state <> 'void'"),
    )
    op.create_index(op.f("ix_invoices_owner_ref_id"), "invoices", ["owner_ref", "id"], unique=False)
    op.create_table(
        "invoice_lines",
        sa.Column("invoice_id", sa.Text(collation="C"), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause_ref", sa.Text(collation="C"), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("work", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_id"],
            ["invoices.id"],
            name=op.f("fk_invoice_lines_invoice_id_invoices"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("invoice_id", "line", name=op.f("pk_invoice_lines")),
    )
    op.execute(_SPENDING)
    for trigger, event, each in (("append_only", "UPDATE OR DELETE", "ROW"), ("no_truncate", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {event} ON invoice_lines FOR EACH {each} EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
