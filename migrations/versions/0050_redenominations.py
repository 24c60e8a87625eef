"""what is owed in a currency that is over goes on in its successor."""

import sqlalchemy as sa
from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
# As 0031 and 0038 had them, and one more each; the next migration asks whether they hold of all.
_OF_EARNINGS = {
    "kind_known": "kind IN ('answer', 'bonus', 'goodwill', 'floor', 'redenomination')",
    "status_known": "status IN ('pending', 'due', 'paid', 'reversed', 'redenominated')",
    "paid_is_whole": "(status IN ('paid', 'redenominated')) = (paid = amount)",
}


def upgrade() -> None:
    op.create_table(
        "redenominations",
        sa.Column("id", _ID, nullable=False),
        sa.Column("currency", _ID, nullable=False),
        sa.Column("successor", _ID, nullable=False),
        sa.Column("state", sa.Text(), server_default="proposed", nullable=False),
        sa.Column("proposed_by", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("moved_through", _ID, server_default=sa.text("''"), nullable=False),
        sa.Column("n_payees", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount_from", sa.Numeric(38, 0), server_default=sa.text("0"), nullable=False),
        sa.Column("amount_to", sa.Numeric(38, 0), server_default=sa.text("0"), nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redenominations")),
        sa.ForeignKeyConstraint(["currency"], ["currencies.code"], name=op.f("fk_redenominations_currency_currencies")),
        sa.ForeignKeyConstraint(
            ["successor"], ["currencies.code"], name=op.f("fk_redenominations_successor_currencies")
        ),
        sa.CheckConstraint("currency <> successor", name=op.f("ck_redenominations_two_currencies")),
        sa.CheckConstraint(
            "state NOT IN ('moving', 'done') OR decided_by <> proposed_by", name=op.f("ck_redenominations_four_eyes")
        ),
        sa.CheckConstraint(
            "num_nulls(decided_by, decided_at) IN (0, 2)", name=op.f("ck_redenominations_decided_by_somebody")
        ),
        sa.CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name=op.f("ck_redenominations_decided")),
        sa.CheckConstraint("(state = 'done') = (ended_at IS NOT NULL)", name=op.f("ck_redenominations_done_when")),
        sa.CheckConstraint(
            "state IN ('proposed', 'refused', 'moving', 'done')", name=op.f("ck_redenominations_state_known")
        ),
    )
    op.create_index(
        "ix_redenominations_open", "redenominations", ["currency"], unique=True,
        postgresql_where=sa.text("state IN ('proposed', 'moving')"),
    )  # fmt: skip
    op.create_table(
        "redenomination_items",
        sa.Column("redenomination_id", _ID, nullable=False),
        sa.Column("earning_id", _ID, nullable=False),
        sa.Column("into_id", _ID, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("redenomination_id", "earning_id", name=op.f("pk_redenomination_items")),
        sa.ForeignKeyConstraint(
            ["redenomination_id"],
            ["redenominations.id"],
            name=op.f("fk_redenomination_items_redenomination_id_redenominations"),
        ),
        sa.ForeignKeyConstraint(
            ["earning_id"], ["earnings.id"], name=op.f("fk_redenomination_items_earning_id_earnings")
        ),
        sa.ForeignKeyConstraint(["into_id"], ["earnings.id"], name=op.f("fk_redenomination_items_into_id_earnings")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_redenomination_items_amount_positive")),
        sa.CheckConstraint("earning_id <> into_id", name=op.f("ck_redenomination_items_into_another")),
    )
    op.create_index(op.f("ix_redenomination_items_earning_id"), "redenomination_items", ["earning_id"])
    op.create_index(op.f("ix_redenomination_items_into_id"), "redenomination_items", ["into_id"])
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON redenomination_items "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON redenomination_items "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    for name, holds in _OF_EARNINGS.items():
        op.drop_constraint(op.f(f"ck_earnings_{name}"), "earnings")
        op.execute(f"ALTER TABLE earnings ADD CONSTRAINT ck_earnings_{name} CHECK ({holds}) NOT VALID")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
