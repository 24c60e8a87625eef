"""what 0044 asks of bank entries holds of all."""

from alembic import op

revision = "0044b"
down_revision = "0044"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE bank_entries VALIDATE CONSTRAINT ck_bank_entries_state_known")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
