"""what has gone through unbounded accounts, day by day."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "balance_snapshots",
        sa.Column("account_id", sa.Text(collation="C"), nullable=False),
        sa.Column("up_to_entry", sa.Text(collation="C"), nullable=False),
        sa.Column("debits", sa.Numeric(38, 0), nullable=False),
        sa.Column("credits", sa.Numeric(38, 0), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("debits >= 0 AND credits >= 0", name=op.f("ck_balance_snapshots_turnover")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_balance_snapshots_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", "up_to_entry", name=op.f("pk_balance_snapshots")),
    )
    # Bounded accounts are many; those without a bound are a few for each currency.
    op.create_index("ix_accounts_unbounded", "accounts", ["id"], postgresql_where=sa.text("NOT bounded"))
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON balance_snapshots "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON balance_snapshots "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
