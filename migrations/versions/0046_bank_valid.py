"""what 0044 asks of bank entries holds of all."""

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE bank_entries VALIDATE CONSTRAINT ck_bank_entries_state_known")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
