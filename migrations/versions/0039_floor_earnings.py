"""what 0038 asks of earnings holds of all; and whose pay became due in a week is found."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE earnings VALIDATE CONSTRAINT ck_earnings_kind_known")
    op.create_index(op.f("ix_earnings_payee_id_due_at"), "earnings", ["payee_id", "due_at"])


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
