"""what 0054 asks of earnings holds of all."""

from alembic import op

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE earnings VALIDATE CONSTRAINT ck_earnings_withheld_range")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
