"""accounts that count as one, and the clusters that their workers are in."""

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0079"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)
_NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "account_links",
        sa.Column("id", _ID, nullable=False),
        sa.Column("one_ref", _ID, nullable=False),
        sa.Column("other_ref", _ID, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("recorded_by", _ID, nullable=False),
        sa.Column("recorded_at", _MOMENT, server_default=_NOW, nullable=False),
        sa.Column("n_shared", sa.Integer(), nullable=False),
        sa.Column("withdrawn_by", _ID, nullable=True),
        sa.Column("withdrawn_at", _MOMENT, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('device', 'bank', 'document', 'declared')", name=op.f("ck_account_links_kind_known")
        ),
        sa.CheckConstraint("one_ref < other_ref", name=op.f("ck_account_links_in_order")),
        sa.CheckConstraint(
            "num_nulls(withdrawn_by, withdrawn_at, reason) IN (0, 3)", name=op.f("ck_account_links_withdrawn_whole")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_links")),
    )
    op.create_index(
        "uq_account_links_open", "account_links", ["one_ref", "other_ref", "kind"], unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
    )  # fmt: skip
    op.create_index("ix_account_links_one_ref", "account_links", ["one_ref", "id"])
    op.create_index("ix_account_links_other_ref", "account_links", ["other_ref", "id"])
    op.add_column("workers", sa.Column("cluster_id", _ID, nullable=True))
    op.add_column("workers", sa.Column("clustered_at", _MOMENT, nullable=True))
    op.create_check_constraint(
        op.f("ck_workers_clustered_whole"), "workers", "(cluster_id IS NULL) = (clustered_at IS NULL)"
    )
    op.create_index(
        "ix_workers_cluster_id", "workers", ["cluster_id", "id"], postgresql_where=sa.text("cluster_id IS NOT NULL")
    )


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
