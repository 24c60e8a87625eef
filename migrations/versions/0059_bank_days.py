"""what moved at banks, day by day."""

import sqlalchemy as sa
from alembic import op

revision = "0059"
down_revision = "0058"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")


def upgrade() -> None:
    op.create_table(
        "bank_days",
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("up_to_entry", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("amount", sa.Numeric(38, 0), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_bank_days_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", "up_to_entry", "day", name=op.f("pk_bank_days")),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON bank_days FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON bank_days FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
