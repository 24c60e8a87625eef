"""the fee as a term of contracts, kept on every reserve; batches and the floor; credit notes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    # The older table first, as whoever reads both does.
    op.add_column(
        "reserves", sa.Column("fee_basis_points", sa.Integer(), server_default=sa.text("2000"), nullable=False)
    )
    op.add_column("reserves", sa.Column("contingency", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    for column, default in (("fee_basis_points", "2000"), ("contingency_basis_points", "0")):
        op.add_column("contracts", sa.Column(column, sa.Integer(), server_default=sa.text(default), nullable=False))
    op.execute(
        "ALTER TABLE contracts ADD CONSTRAINT ck_contracts_shares CHECK (fee_basis_points BETWEEN 0 AND 10000"
        " AND contingency_basis_points BETWEEN 0 AND 10000) NOT VALID"
    )
    op.execute(
        "ALTER TABLE reserves ADD CONSTRAINT ck_reserves_fee_range"
        " CHECK (fee_basis_points BETWEEN 0 AND 10000) NOT VALID"
    )
    op.execute(
        "ALTER TABLE reserves ADD CONSTRAINT ck_reserves_contingency_held"
        " CHECK (contingency BETWEEN 0 AND reserved - spent - released) NOT VALID"
    )
    _make_batch_floors()
    _make_batch_floor_pay()
    _make_credit_notes()
    _make_credit_note_lines()


def _make_batch_floors() -> None:
    op.create_table(
        "batch_floors",
        sa.Column("id", _ID, nullable=False),
        sa.Column("cause_ref", _ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("currency", _ID, nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'waiting'"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hourly", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("through", _ID, server_default=sa.text("''"), nullable=False),
        sa.Column("lacking", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("funded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("paid", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("n_payees", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "round > 0 AND 0 <= paid AND paid <= funded AND funded <= lacking", name=op.f("ck_batch_floors_amounts")
        ),
        sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name=op.f("ck_batch_floors_closed_when")),
        sa.CheckConstraint(
            "state IN ('waiting', 'counting', 'paying', 'closed')", name=op.f("ck_batch_floors_state_known")
        ),
        sa.ForeignKeyConstraint(["cause_ref"], ["reserves.cause_ref"], name=op.f("fk_batch_floors_cause_ref_reserves")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_batch_floors_currency_currencies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_floors")),
        sa.UniqueConstraint("cause_ref", "round", name=op.f("uq_batch_floors_cause_ref_round")),
    )
    op.create_index(
        "ix_batch_floors_open",
        "batch_floors",
        ["cause_ref"],
        unique=True,
        postgresql_where=sa.text("state <> 'closed'"),
    )


def _make_batch_floor_pay() -> None:
    op.create_table(
        "batch_floor_pay",
        sa.Column("floor_id", _ID, nullable=False),
        sa.Column("payee_id", _ID, nullable=False),
        sa.Column("region", _ID, nullable=False),
        sa.Column("week", _ID, nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("pay", sa.BigInteger(), nullable=False),
        sa.Column("lacking", sa.BigInteger(), nullable=False),
        sa.Column("top_up", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("entry_id", _ID, nullable=True),
        sa.CheckConstraint(
            "milliseconds >= 0 AND pay >= 0 AND top_up BETWEEN 0 AND lacking", name=op.f("ck_batch_floor_pay_amounts")
        ),
        sa.CheckConstraint(
            "(top_up > 0) = (entry_id IS NOT NULL)", name=op.f("ck_batch_floor_pay_topped_up_in_the_books")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_batch_floor_pay_entry_id_journal_entries")
        ),
        sa.ForeignKeyConstraint(
            ["floor_id"], ["batch_floors.id"], name=op.f("fk_batch_floor_pay_floor_id_batch_floors")
        ),
        sa.ForeignKeyConstraint(["payee_id"], ["payees.id"], name=op.f("fk_batch_floor_pay_payee_id_payees")),
        sa.PrimaryKeyConstraint("floor_id", "payee_id", "region", "week", name=op.f("pk_batch_floor_pay")),
    )
    op.create_index(op.f("ix_batch_floor_pay_payee_id_week"), "batch_floor_pay", ["payee_id", "week"])


def _make_credit_notes() -> None:
    op.create_table(
        "credit_note_numbers",
        sa.Column("entity", _ID, nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.CheckConstraint("last > 0", name=op.f("ck_credit_note_numbers_last_positive")),
        sa.PrimaryKeyConstraint("entity", "year", name=op.f("pk_credit_note_numbers")),
    )
    op.create_table(
        "credit_notes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("owner_ref", _ID, nullable=False),
        sa.Column("currency", _ID, nullable=False),
        sa.Column("period", sa.Date(), nullable=False),
        sa.Column("entity", _ID, nullable=False),
        sa.Column("presentation", sa.Text(), nullable=False),
        sa.Column("work", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("vat_basis_points", sa.Integer(), nullable=False),
        sa.Column("vat", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=True),
        sa.Column("serial", sa.Integer(), nullable=True),
        sa.Column("issued_by", _ID, nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entry_id", _ID, nullable=True),
        sa.Column("voided_by", _ID, nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("(state = 'void') = (voided_by IS NOT NULL)", name=op.f("ck_credit_notes_voided")),
        sa.CheckConstraint("presentation IN ('agent', 'principal')", name=op.f("ck_credit_notes_presentation_known")),
        sa.CheckConstraint("state <> 'draft' OR serial IS NULL", name=op.f("ck_credit_notes_draft_has_none")),
        sa.CheckConstraint("state <> 'issued' OR serial IS NOT NULL", name=op.f("ck_credit_notes_issued_has_number")),
        sa.CheckConstraint("state IN ('draft', 'issued', 'void')", name=op.f("ck_credit_notes_state_known")),
        sa.CheckConstraint("issued_by <> made_by", name=op.f("ck_credit_notes_four_eyes")),
        sa.CheckConstraint("extract(day FROM period) = 1", name=op.f("ck_credit_notes_period_is_a_month")),
        sa.CheckConstraint(
            "num_nulls(voided_by, voided_at, void_reason) IN (0, 3)", name=op.f("ck_credit_notes_voided_by_somebody")
        ),
        sa.CheckConstraint(
            "num_nulls(year, serial, issued_by, issued_at) IN (0, 4)", name=op.f("ck_credit_notes_issued_by_somebody")
        ),
        sa.CheckConstraint(
            "total = work + fee + vat AND total > 0 AND fee >= 0 AND vat >= 0", name=op.f("ck_credit_notes_adds_up")
        ),
        sa.CheckConstraint("vat_basis_points BETWEEN 0 AND 10000", name=op.f("ck_credit_notes_vat_range")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_credit_notes_currency_currencies")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.id"], name=op.f("fk_credit_notes_entry_id_journal_entries")
        ),
        sa.ForeignKeyConstraint(["owner_ref"], ["owners.owner_ref"], name=op.f("fk_credit_notes_owner_ref_owners")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credit_notes")),
        sa.UniqueConstraint("entity", "year", "serial", name=op.f("uq_credit_notes_entity_year_serial")),
    )
    op.create_index(
        "ix_credit_notes_one",
        "credit_notes",
        ["owner_ref", "currency", "period"],
        unique=True,
        postgresql_where=sa.text("state <> 'void'"),
    )
    op.create_index(op.f("ix_credit_notes_owner_ref_id"), "credit_notes", ["owner_ref", "id"], unique=False)


def _make_credit_note_lines() -> None:
    op.create_table(
        "credit_note_lines",
        sa.Column("note_id", _ID, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause_ref", _ID, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("work", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["note_id"],
            ["credit_notes.id"],
            name=op.f("fk_credit_note_lines_note_id_credit_notes"),
            initially="DEFERRED",
            deferrable=True,
        ),
        sa.PrimaryKeyConstraint("note_id", "line", name=op.f("pk_credit_note_lines")),
    )
    for trigger, event, each in (("append_only", "UPDATE OR DELETE", "ROW"), ("no_truncate", "TRUNCATE", "STATEMENT")):
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {event} ON credit_note_lines"
            f" FOR EACH {each} EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
