"""to whom payouts were prepared, and the traces that banks name them by."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0059"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The version before writes none, and its files go by the name of now.
    op.add_column("payouts", sa.Column("name", sa.Text(), nullable=True))
    # The last characters of a payout's own name, as `files/nacha.py` writes them.
    op.create_index("ix_payouts_trace", "payouts", [sa.text("upper(right(end_to_end_id, 15))")])


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
