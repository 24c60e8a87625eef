"""what 0050 asks of earnings holds of all."""

from alembic import op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("kind_known", "status_known", "paid_is_whole"):
        op.execute(f"ALTER TABLE earnings VALIDATE CONSTRAINT ck_earnings_{name}")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
