"""ladders as data, and moves with their rule and evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0074"
down_revision = "0073"
branch_labels = None
depends_on = None

_ID = sa.Text(collation="C")
_DEFAULT = "lad_00000000000000000000000000"
# What everybody goes by who has no ladder of their own: name, evidence, reach, keep, days of cool-down and of decay.
_STEPS = (
    ("candidate", 1, None, None, 0, None),
    ("novice", 10, 0.65, 0.65, 7, None),
    ("regular", 20, 0.70, 0.65, 1, 365),
    ("senior", 40, 0.82, 0.75, 7, 180),
    ("expert", 80, 0.90, 0.85, 14, 180),
)
_EVIDENCE = (
    ("since", sa.Integer), ("through", sa.Integer), ("n", sa.Integer), ("n_right", sa.Integer), ("low", sa.Double),
    ("high", sa.Double), ("n_recent", sa.Integer), ("n_recent_right", sa.Integer), ("high_recent", sa.Double),
)  # fmt: skip


def upgrade() -> None:
    rules = op.create_table(
        "ladder_rules",
        sa.Column("id", _ID, nullable=False),
        sa.Column("skill", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_by", _ID, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("confirmed_by", _ID, nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ladder_rules")),
        sa.UniqueConstraint("skill", "version", name=op.f("uq_ladder_rules_skill_version")),
        sa.CheckConstraint("version > 0", name=op.f("ck_ladder_rules_version_positive")),
        sa.CheckConstraint(
            "num_nulls(confirmed_by, confirmed_at) IN (0, 2) AND confirmed_by <> proposed_by",
            name=op.f("ck_ladder_rules_confirmed_by_another"),
        ),
    )
    steps = op.create_table(
        "ladder_steps",
        sa.Column("rule_id", _ID, nullable=False),
        sa.Column("tier", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Integer(), nullable=False),
        sa.Column("reach", sa.Double(), nullable=True),
        sa.Column("keep", sa.Double(), nullable=True),
        sa.Column("cool_down_days", sa.Integer(), nullable=False),
        sa.Column("decay_days", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("rule_id", "tier", name=op.f("pk_ladder_steps")),
        sa.ForeignKeyConstraint(["rule_id"], ["ladder_rules.id"], name=op.f("fk_ladder_steps_rule_id_ladder_rules")),
        sa.CheckConstraint("tier BETWEEN 0 AND 4", name=op.f("ck_ladder_steps_tier_range")),
        sa.CheckConstraint(
            "reach BETWEEN 0 AND 1 AND keep BETWEEN 0 AND 1 AND (reach IS NULL OR keep <= reach)",
            name=op.f("ck_ladder_steps_shares_range"),
        ),
        sa.CheckConstraint("evidence BETWEEN 1 AND 10000", name=op.f("ck_ladder_steps_evidence_range")),
        sa.CheckConstraint(
            "cool_down_days BETWEEN 0 AND 3650 AND decay_days BETWEEN 1 AND 3650",
            name=op.f("ck_ladder_steps_days_range"),
        ),
        sa.CheckConstraint(
            "tier > 0 OR (keep IS NULL AND reach IS NULL)", name=op.f("ck_ladder_steps_lowest_asks_nothing")
        ),
        sa.CheckConstraint("tier > 1 OR decay_days IS NULL", name=op.f("ck_ladder_steps_starting_stays")),
    )
    op.execute(
        rules.insert().values(
            id=_DEFAULT,
            skill="ALL",
            version=1,
            reason="What the house begins with.",
            proposed_by="house",
            confirmed_by="migration",
            confirmed_at=sa.func.now(),
        )
    )
    names = ("name", "evidence", "reach", "keep", "cool_down_days", "decay_days")
    for tier, step in enumerate(_STEPS):
        op.execute(steps.insert().values(rule_id=_DEFAULT, tier=tier, **dict(zip(names, step, strict=True))))
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ladder_steps "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ladder_steps FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.add_column(
        "worker_tiers",
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    op.add_column("worker_tiers", sa.Column("seen", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("worker_tiers", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_worker_tiers_due_at", "worker_tiers", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.add_column("tier_moves", sa.Column("cause", sa.Text(), server_default="earlier", nullable=False))
    op.add_column("tier_moves", sa.Column("rule_id", _ID, nullable=True))
    for name, kind in _EVIDENCE:
        op.add_column("tier_moves", sa.Column(name, kind(), nullable=True))
    op.create_foreign_key(op.f("fk_tier_moves_rule_id_ladder_rules"), "tier_moves", "ladder_rules", ["rule_id"], ["id"])
    op.create_check_constraint(
        op.f("ck_tier_moves_cause_known"),
        "tier_moves",
        "cause IN ('promotion', 'demotion', 'decay', 'correction', 'ops', 'earlier')",
    )
    op.create_check_constraint(
        op.f("ck_tier_moves_evidence_whole"),
        "tier_moves",
        "num_nulls(since, through, n, n_right, low, high, n_recent, n_recent_right, high_recent) IN (0, 9)",
    )
    op.create_check_constraint(
        op.f("ck_tier_moves_rule_known"),
        "tier_moves",
        "cause NOT IN ('promotion', 'demotion', 'decay', 'correction') OR rule_id IS NOT NULL",
    )
    op.create_check_constraint(
        op.f("ck_tier_moves_evidence_known"), "tier_moves", "cause NOT IN ('promotion', 'demotion') OR n IS NOT NULL"
    )
    op.create_index(op.f("ix_tier_moves_worker_id_skill_id"), "tier_moves", ["worker_id", "skill", "id"])


def downgrade() -> None:
    """Not offered: go back by restoring a backup."""
    raise NotImplementedError
