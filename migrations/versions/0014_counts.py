"""expected votes of each voter, which follow the votes between two refits."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("reliability", sa.Column("counts", sa.LargeBinary(), nullable=True))
    op.add_column("reliability", sa.Column("generation", sa.Integer(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
