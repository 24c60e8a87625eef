"""the fee as a term of contracts, kept on every reserve; money set aside for the floor."""

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column, default in (("fee_basis_points", "2000"), ("contingency_basis_points", "0")):
        op.add_column("contracts", sa.Column(column, sa.Integer(), server_default=sa.text(default), nullable=False))
    op.add_column(
        "reserves", sa.Column("fee_basis_points", sa.Integer(), server_default=sa.text("2000"), nullable=False)
    )
    op.add_column("reserves", sa.Column("contingency", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.execute(
        "ALTER TABLE contracts ADD CONSTRAINT ck_contracts_shares CHECK (fee_basis_points BETWEEN 0 AND 10000"
        " AND contingency_basis_points BETWEEN 0 AND 10000) NOT VALID"
    )
    op.execute(
        "ALTER TABLE reserves ADD CONSTRAINT ck_reserves_fee_range"
        " CHECK (fee_basis_points BETWEEN 0 AND 10000) NOT VALID"
    )
    op.execute(
        "ALTER TABLE reserves ADD CONSTRAINT ck_reserves_contingency_held"
        " CHECK (contingency BETWEEN 0 AND reserved - spent - released) NOT VALID"
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
