"""steps that two people give against the rule, for some days."""

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_CAUSES = "'promotion', 'demotion', 'decay', 'correction', 'ops', 'override', 'expiry', 'earlier'"


def upgrade() -> None:
    op.create_table(
        "tier_overrides",
        sa.Column("id", _ID, nullable=False),
        sa.Column("worker_id", _ID, nullable=False),
        sa.Column("skill", _ID, nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_by", _ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tier_before", sa.SmallInteger(), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", _ID, nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tier_overrides")),
        sa.ForeignKeyConstraint(["worker_id"], ["workers.id"], name=op.f("fk_tier_overrides_worker_id_workers")),
        sa.CheckConstraint(
            "state IN ('proposed', 'refused', 'active', 'ended')", name=op.f("ck_tier_overrides_state_known")
        ),
        sa.CheckConstraint("tier BETWEEN 0 AND 4", name=op.f("ck_tier_overrides_tier_range")),
        sa.CheckConstraint("days BETWEEN 1 AND 365", name=op.f("ck_tier_overrides_days_range")),
        sa.CheckConstraint(
            "(state = 'proposed') = (decided_at IS NULL) AND num_nulls(decided_by, decided_at) IN (0, 2)",
            name=op.f("ck_tier_overrides_decided_by_somebody"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('active', 'ended') OR (decided_by <> proposed_by AND proposed_by <> worker_id "
            "AND decided_by <> worker_id AND ends_at IS NOT NULL AND tier_before IS NOT NULL)",
            name=op.f("ck_tier_overrides_held_by_two"),
        ),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_at IS NOT NULL) AND num_nulls(ended_by, ended_at) IN (0, 2)",
            name=op.f("ck_tier_overrides_ended_by_somebody"),
        ),
    )
    op.create_index(
        "uq_tier_overrides_open", "tier_overrides", ["worker_id", "skill"], unique=True,
        postgresql_where=sa.text("state IN ('proposed', 'active')"),
    )  # fmt: skip
    op.create_index(
        "ix_tier_overrides_ends_at", "tier_overrides", ["ends_at"], postgresql_where=sa.text("state = 'active'")
    )
    op.add_column("worker_tiers", sa.Column("pinned_until", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(op.f("ck_tier_moves_cause_known"), "tier_moves")
    op.create_check_constraint(op.f("ck_tier_moves_cause_known"), "tier_moves", f"cause IN ({_CAUSES})")


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
