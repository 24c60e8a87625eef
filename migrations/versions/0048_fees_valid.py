"""what 0048 asks of contracts and reserves holds of all."""

from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE contracts VALIDATE CONSTRAINT ck_contracts_shares")
    op.execute("ALTER TABLE reserves VALIDATE CONSTRAINT ck_reserves_fee_range")
    op.execute("ALTER TABLE reserves VALIDATE CONSTRAINT ck_reserves_contingency_held")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
