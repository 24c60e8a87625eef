"""who may see a project: pools, countries and languages."""

import sqlalchemy as sa
from alembic import op

revision = "0063"
down_revision = "0062"
branch_labels = None
depends_on = None

_LEVELS = "('a1', 'a2', 'b1', 'b2', 'c1', 'c2', 'native')"


def upgrade() -> None:
    op.create_table(
        "pool_memberships",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("worker_id", sa.Text(collation="C"), nullable=False),
        sa.Column("pool", sa.Text(collation="C"), nullable=False),
        sa.Column("put_by", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_by", sa.Text(collation="C"), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "num_nulls(ended_by, ended_at) IN (0, 2)", name=op.f("ck_pool_memberships_ended_by_somebody")
        ),
        sa.CheckConstraint("pool IN ('crowd', 'vendor', 'in_house')", name=op.f("ck_pool_memberships_pool_known")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_pool_memberships_worker_id_workers")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pool_memberships")),
    )
    op.create_index(
        "uq_pool_memberships_live", "pool_memberships", ["worker_id", "pool"], unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )  # fmt: skip
    op.create_table(
        "worker_languages",
        sa.Column("worker_id", sa.Text(collation="C"), nullable=False),
        sa.Column("language", sa.Text(collation="C"), nullable=False),
        sa.Column("level", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(f"level IN {_LEVELS}", name=op.f("ck_worker_languages_level_known")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_worker_languages_worker_id_workers")),
        sa.PrimaryKeyConstraint("worker_id", "language", name=op.f("pk_worker_languages")),
    )
    for name in ("pools", "countries", "languages"):
        listed = sa.ARRAY(sa.Text(collation="C"))
        op.add_column("projects", sa.Column(name, listed, server_default=sa.text("'{}'"), nullable=False))
    level = sa.Column("language_level", sa.Text(collation="C"), server_default=sa.text("'a1'"), nullable=False)
    op.add_column("projects", level)
    op.create_check_constraint(
        op.f("ck_projects_pools_known"), "projects", "pools <@ ARRAY['crowd', 'vendor', 'in_house']"
    )
    op.create_check_constraint(op.f("ck_projects_language_level_known"), "projects", f"language_level IN {_LEVELS}")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
