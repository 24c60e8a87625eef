"""the fee as a term of contracts, kept on every reserve; money set aside for the floor."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0048"
down_revision = "0042"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    for column, default in (("fee_basis_points", "2000"), ("contingency_basis_points", "0")):
        op.add_column("contracts", sa.Column(column, sa.Integer(), server_default=sa.text(default), nullable=False))
    op.add_column(
        "reserves", sa.Column("fee_basis_points", sa.Integer(), server_default=sa.text("2000"), nullable=False)
    )
    op.add_column("reserves", sa.Column("contingency", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
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


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
