"""test worlds of requesters, and workers who work for one requester alone."""

import sqlalchemy as sa
from alembic import op

revision = "0090"
down_revision = "0089"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "test_worlds",
        sa.Column("account_id", _ID, nullable=False),
        sa.Column("requester_id", _ID, nullable=False),
        sa.Column("opened_by", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_by", _ID, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_test_worlds")),
        sa.ForeignKeyConstraint(
            ["requester_id"], ["requesters.id"], name=op.f("fk_test_worlds_requester_id_requesters")
        ),
        sa.CheckConstraint("num_nulls(ended_by, ended_at) IN (0, 2)", name=op.f("ck_test_worlds_ended_by_somebody")),
        sa.CheckConstraint("account_id <> requester_id", name=op.f("ck_test_worlds_another_account")),
    )
    op.create_index(
        "uq_test_worlds_live", "test_worlds", ["requester_id"], unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )  # fmt: skip
    op.add_column("workers", sa.Column("works_for", _ID, nullable=True))
    op.create_foreign_key(op.f("fk_workers_works_for_requesters"), "workers", "requesters", ["works_for"], ["id"])
    op.create_index(
        "uq_workers_works_for_name", "workers", ["works_for", "name"], unique=True,
        postgresql_where=sa.text("works_for IS NOT NULL"),
    )  # fmt: skip


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
